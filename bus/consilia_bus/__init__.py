"""SPADE over XMPP, shared by coordinator and hospitals: verified TLS, reconnection, one seam to fake."""
