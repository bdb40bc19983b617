"""The plan as CI jobs: GitHub and GitLab files, selection, artifacts between jobs."""
