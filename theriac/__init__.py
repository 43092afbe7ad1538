"""One ledger for patients, pharmacies and insurers that none of them owns."""
