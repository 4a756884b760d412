"""The trainer of engine sklearn keeps to the conformance suite of trainers."""

import pytest

from consilia_agents.trainers import SklearnTrainer
from trainer_suite import EveryTrainer


class TestSklearnTrainer(EveryTrainer):
    @pytest.fixture
    def make(self):
        return SklearnTrainer
