"""Results for people: one card an image, the same on the page of `fauxto serve` and in the HTML report.

`scan --report` writes by `report_file`, the page's download by `Report`; all share the templates.
"""

from fauxto.report.pictures import Pictures, pictures_of
from fauxto.report.render import ASSETS, Shown
from fauxto.report.writer import Report, report_file, write_report

__all__ = ["ASSETS", "Pictures", "Report", "Shown", "pictures_of", "report_file", "write_report"]
