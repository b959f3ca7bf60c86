"""The stages of a study, each resumable: prepare, search, confirm, test, findings, export."""
