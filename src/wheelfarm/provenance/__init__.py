"""Build record, SBOM and attestation of a wheel."""
