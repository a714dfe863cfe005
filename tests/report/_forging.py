"""What a forger does who knows the form of a report."""

from specreg_sklearn.report.document import follow_up, own_hash


def followed(document):
    """Make all that follows from the rows of a document fit again, its hash included."""
    parts = follow_up(document)
    for model, summary in zip(document["models"], parts.pop("summaries"), strict=True):
        model["summary"] = summary
    document |= parts
    document["sha256"] = own_hash(document)
