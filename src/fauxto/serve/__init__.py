"""`fauxto serve`: the REST API and the web page over one detector."""
