"""Why a build failed: the class of the failure, the lines that tell, a likely cause and a next step.

Pure: it is given an error and the text of a log, reads it once from its beginning, and keeps a few lines.
"""

from wheelfarm.diagnosis.classes import classify, failure_of
from wheelfarm.diagnosis.failure import Diagnosis, Failure

__all__ = ["Diagnosis", "Failure", "classify", "failure_of"]
