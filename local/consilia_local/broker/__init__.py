"""The message broker as a process of its own: SPADE's bundled one, or Prosody. Both read the same folder."""

from consilia_local.broker.folder import BrokerFolder, write_broker_folder

__all__ = ["BrokerFolder", "write_broker_folder"]
