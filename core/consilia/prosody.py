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
    """Folder with a file for each account, named after it, that holds its password, or two lines with two that are
    both right; read at each login. Files whose names begin with a dot are no accounts."""
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
-- During a rotation it holds two, a line each, and both are right. The file is read at each login, so a mounted
-- Kubernetes Secret rotates without a restart.

local sasl = require "util.sasl";
local scram = require "util.sasl.scram";
local encodings = require "util.encodings";
local equals = require "util.hashes".equals;

local saslprep = encodings.stringprep.saslprep;
local base64 = encodings.base64;
local folder = assert(module:get_option_string("accounts_folder"), "accounts_folder is not set");
local provider = {};

local function passwords_of(username)
	-- A name is part of a path: letters, digits, dot, hyphen, underscore; no leading dot.
	if not username or not username:match("^[%w_][%w_.-]*$") then return {}; end
	local file = io.open(folder.."/"..username, "r");
	if not file then return {}; end
	local text = file:read("*a");
	file:close();
	local passwords = {};
	for line in (text or ""):gmatch("[^\r\n]+") do
		local password = saslprep((line:gsub("%s+$", "")));
		if password and password ~= "" and #passwords < 2 then passwords[#passwords + 1] = password; end
	end
	return passwords;
end

function provider.get_password(username)
	return passwords_of(username)[1];
end

function provider.test_password(username, password)
	local given, right = saslprep(password), false;
	for _, expected in ipairs(passwords_of(username)) do
		if given and equals(expected, given) then right = true; end
	end
	if right then return true; end
	return nil, "not authorized";
end

function provider.user_exists(username)
	return passwords_of(username)[1] ~= nil;
end

function provider.set_password()
	return nil, "accounts are read from a folder";
end

provider.create_user = provider.set_password;
provider.delete_user = provider.set_password;

-- The keys that the other password has under the salt and the count that this exchange began with (RFC 5802).
local function other_keys(handler)
	local hash = handler.selected:match("^SCRAM%-(SHA%-%d+)");
	local salt, count = handler.state.server_first_message:match(",s=([^,]+),i=(%d+)$");
	local derive = hash and scram.hashers[hash];
	if not derive or not salt then return nil; end
	local derived, stored_key, server_key = derive(handler.other_password, base64.decode(salt), tonumber(count));
	if derived then return stored_key, server_key; end
end

-- A proof that the first password does not explain is checked once more, by the same code, with the other's keys.
local function process(handler, message)
	local check = getmetatable(handler).__index.process;
	local state = handler.state;
	local status, answer, words = check(handler, message);
	if status == "success" or answer ~= "not-authorized" or not state or not handler.other_password then
		return status, answer, words;
	end
	local stored_key, server_key = other_keys(handler);
	if not stored_key then return status, answer, words; end
	local first_stored_key, first_server_key = state.stored_key, state.server_key;
	state.stored_key, state.server_key = stored_key, server_key;
	local again, answer_again, words_again = check(handler, message);
	state.stored_key, state.server_key = first_stored_key, first_server_key;
	if again == "success" then return again, answer_again, words_again; end
	return status, answer, words;
end

local function with_both(handler)
	handler.process = process;
	-- After a failure Prosody goes on with a clone.
	handler.clean_clone = function(self) return with_both(sasl.new(self.realm, self.profile)); end
	return handler;
end

function provider.get_sasl_handler()
	return with_both(sasl.new(module.host, {
		plain = function(handler, username)
			local passwords = passwords_of(username);
			handler.other_password = passwords[2];
			if not passwords[1] then return "", nil; end
			return passwords[1], true;
		end;
	}));
end

module:provides("auth", provider);
"""
