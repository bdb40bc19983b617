"""Why a build failed: the class of the failure, the lines that matter, a likely cause and a next step."""
