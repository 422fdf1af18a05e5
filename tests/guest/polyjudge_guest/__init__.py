"""One guest of every kind: optimizer, gate, metric, scoring method, backend, data set and exporter."""
