"""The model: `load` runs once when a replica starts, `predict` for every call."""

import re
from collections import Counter


class Model:
    def __init__(self, **kwargs):
        # What the platform gives: config, data_dir, secrets, environment.
        self._config = kwargs["config"]
        self._ignored = frozenset()

    def load(self):
        """Whatever takes long belongs here: files to read, weights to load. Calls wait until it has ended."""
        self._ignored = frozenset(["a", "an", "and", "of", "on", "over", "the", "to"])

    def predict(self, model_input):
        words = re.findall(r"[^\W\d_]+", model_input["text"].lower())
        counts = Counter(word for word in words if word not in self._ignored)
        top = counts.most_common(model_input.get("top", 10))
        return {"words": [{"word": word, "count": count} for word, count in top]}
