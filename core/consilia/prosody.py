"""Prosody's configuration as text, and the module that lets it read accounts from a folder.

The same text serves the command line and the cluster. It refuses what a control plane between known
accounts has no use for: registration, other servers, messages kept for later, passwords in the clear.
"""

from collections.abc import Sequence
from dataclasses import dataclass

STANZA_LIMIT = 1024 * 1024  # bytes; a protocol message is below 64 kB, vectors beyond that go by HTTP


@dataclass(frozen=True)
class ProsodySettings:
    """Where one Prosody listens and what it reads; every path absolute."""

    domain: str
    """XMPP domain: the part of a JID after the @, and the host name that clients connect to."""
    port: int
    interfaces: Sequence[str]
    """Addresses to listen on: ``["127.0.0.1"]``, or ``["*", "::"]`` in a pod."""
    accounts: str
    """Folder with a file for each account, named after it, that holds its password; read at each login."""
    certificate: str
    key: str
    modules: str
    """Folder that holds `ACCOUNTS_MODULE` under `ACCOUNTS_MODULE_FILE`."""
    state: str
    """Folder that Prosody may write: its process id."""


ACCOUNTS_MODULE_FILE = "mod_auth_folder.lua"


def render_prosody(settings: ProsodySettings) -> str:
    """Render ``prosody.cfg.lua`` for Prosody 0.12 or later, to be run in the foreground (``prosody -F``)."""
    interfaces = ", ".join(_quote(address) for address in settings.interfaces)
    return f"""\
-- Written by Consilia; edits are overwritten.
run_as_root = true -- in a container of its own there may be no other user
pidfile = {_quote(settings.state + "/prosody.pid")}
data_path = {_quote(settings.state)}
plugin_paths = {{ {_quote(settings.modules)} }}
log = {{ {{ levels = {{ min = "warn" }}, to = "console" }} }}

interfaces = {{ {interfaces} }}
c2s_ports = {{ {settings.port} }}
c2s_direct_tls_ports = {{ }}
legacy_ssl_ports = {{ }}
certificates = {_quote(settings.state)} -- nothing to search: the one certificate is named below

modules_enabled = {{ "limits", "ping", "posix", "roster", "saslauth", "tls" }}
modules_disabled = {{ "offline", "s2s", "s2s_auth_certs" }}
allow_registration = false
storage = "none"

c2s_require_encryption = true
ssl = {{
    certificate = {_quote(settings.certificate)};
    key = {_quote(settings.key)};
    protocol = "tlsv1_2+";
}}

authentication = "folder"
accounts_folder = {_quote(settings.accounts)}
disable_sasl_mechanisms = {{ "PLAIN", "LOGIN", "DIGEST-MD5", "OAUTHBEARER", "EXTERNAL", "ANONYMOUS" }}

-- Nagle's algorithm holds small answers back: 88 ms an echo instead of 5. Writing at once, not in the
-- loop's next turn, and reading a whole message at a time take the rest.
network_settings = {{ nagle = false; opportunistic_writes = true; read_size = 65536 }}
-- The default, 10 kB/s, is for people who type. This is one federation's control plane.
limits = {{ c2s = {{ rate = "64mb/s"; burst = "2s" }} }}
c2s_stanza_size_limit = {STANZA_LIMIT}
c2s_timeout = 30
c2s_tcp_keepalives = true
-- A second login of an account is a restarted process: it takes the place of the first.
conflict_resolve = "kick_old"

VirtualHost {_quote(settings.domain)}
"""


def _quote(text: str) -> str:
    """Quote a string for Lua 5.1 and later."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


ACCOUNTS_MODULE = r"""-- Accounts from a folder: a file for each, named after it, holds the password.
-- The file is read at each login, so a mounted Kubernetes Secret rotates without a restart.

local new_sasl = require "util.sasl".new;
local saslprep = require "util.encodings".stringprep.saslprep;
local equals = require "util.hashes".equals;

local folder = assert(module:get_option_string("accounts_folder"), "accounts_folder is not set");
local provider = {};

local function password_of(username)
	-- A name is part of a path: letters, digits, dot, hyphen, underscore; no leading dot.
	if not username or not username:match("^[%w_][%w_.-]*$") then return nil; end
	local file = io.open(folder.."/"..username, "r");
	if not file then return nil; end
	local text = file:read("*a");
	file:close();
	local password = text and text:gsub("%s+$", "");
	if not password or password == "" then return nil; end
	return saslprep(password);
end

function provider.get_password(username)
	return password_of(username);
end

function provider.test_password(username, password)
	local right, given = password_of(username), saslprep(password);
	if right and given and equals(right, given) then return true; end
	return nil, "not authorized";
end

function provider.user_exists(username)
	return password_of(username) ~= nil;
end

function provider.set_password()
	return nil, "accounts are read from a folder";
end

provider.create_user = provider.set_password;
provider.delete_user = provider.set_password;

function provider.get_sasl_handler()
	return new_sasl(module.host, {
		plain = function(_, username)
			local password = password_of(username);
			if not password then return "", nil; end
			return password, true;
		end;
	});
end

module:provides("auth", provider);
"""
