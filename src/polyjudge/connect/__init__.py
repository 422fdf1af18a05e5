"""Other tools' formats, read into ours."""
