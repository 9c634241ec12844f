"""sahu65's own call on each file: python sahu65_detect.py FILE..."""

import sys

import sahu65

for path in sys.argv[1:]:
    print(path, sahu65.detect(path).ai_probability)
