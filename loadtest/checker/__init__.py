"""A history → a verdict. Pure: no files, no clock, nothing of the project but what a history is."""

from loadtest.checker.anomalies import Anomaly as Anomaly
from loadtest.checker.division import Copy as Copy
from loadtest.checker.division import Division as Division
from loadtest.checker.failures import Failure as Failure
from loadtest.checker.kind_verdict import KindVerdict as KindVerdict
from loadtest.checker.verdict import COLOR as COLOR
from loadtest.checker.verdict import EXIT_STATUS as EXIT_STATUS
from loadtest.checker.verdict import SIGN as SIGN
from loadtest.checker.verdict import Verdict as Verdict
from loadtest.checker.verdict import judge as judge
from loadtest.checker.verdict import order as order
