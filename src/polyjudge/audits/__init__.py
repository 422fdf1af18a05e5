"""The audit of a judge that already scores: agreement in context, bias, contests, interference. It asks no model."""
