//! What `welkin fleet --help` and `welkin fleet COMMAND --help` print.

/// Of `fleet`.
pub const FLEET: &str = "\
welkin fleet [OPTIONS] COMMAND

Many nodes on many machines from one place. A master holds what is wanted, an agent on each machine
starts and watches the nodes there, a keeper stands over each node. Nodes go on without any of them.

Parts of the fleet:
  master         the one process that knows all           (welkin fleet master --help)
  agent          the one process of each machine          (welkin fleet agent --help)

Nodes (SEL: names, group:login, machine:m1, all, globs as 'scene_*'):
  list           names, addresses, states
  status         figures and health
  history        how a node came to its state
  logs           the output of a node
  exec           a line to the debug console of a node
  start          starts nodes, group by group             (also start_all)
  stop           drains and stops nodes                   (also stop_all)
  restart        one after the other
  drain          lets nodes take no new players
Releases:
  update         brings nodes to a release, or back when it does not run
  rollback       back to the release before
  releases       what the master has
Figures:
  cpu            cores and threads of nodes               (also mem, netstat, online)
  vmstat         what the machines do                     (also free, disc)
  machines       the agents
The fleet itself:
  apply          gives the master a fleet file
  export         shows the fleet file
  import         makes a fleet file from a cluster config
  secret         files that only some nodes get
  token          lets a new agent or client in            (also enrol, certs, revoke)
  upgrade        the agents' own program
  audit          who did what
  backup         the whole state in one file              (also restore)
  secret-file    makes a file for fleet_secret

Options:
  --master HOST:PORT  a master on another machine; needs a certificate (welkin fleet enrol --help)
  --dir DIR           a master on this machine, by its folder. Default: what the variable
                      WELKIN_FLEET_DIR says, else one that runs in . or ./fleet/master
  --json              one object in one line: {\"ok\", \"results\", \"errors\"}
  --timeout T         how long to wait for the end; the work goes on. Default: 10s, and for what
                      waits for nodes as long as their own times say
  --or-busy           do not wait for another command on the same node
  --now-or-never      do not keep a start or stop for an agent that is away
  --yes               do not ask

Exit status: 0 done, 1 some failed or were refused, 2 wrong command line or fleet file, 3 the master
cannot be reached, 4 not permitted, 5 the update was rolled back, 6 timed out (the work goes on).

Example:
  welkin fleet status group:scene
";

/// The commands and their help. Words of one kind share a text.
pub const COMMANDS: [(&str, &str); 27] = [
    ("master", MASTER),
    ("agent", AGENT),
    ("list", LIST),
    ("status", STATUS),
    ("history", HISTORY),
    ("logs", LOGS),
    ("exec", EXEC),
    ("start", START),
    ("stop", STOP),
    ("restart", RESTART),
    ("drain", DRAIN),
    ("update", UPDATE),
    ("rollback", ROLLBACK),
    ("releases", RELEASES),
    ("cpu", FIGURES),
    ("vmstat", FIGURES),
    ("machines", MACHINES),
    ("apply", APPLY),
    ("export", EXPORT),
    ("import", IMPORT),
    ("secret", SECRET),
    ("token", TOKEN),
    ("upgrade", UPGRADE),
    ("audit", AUDIT),
    ("backup", BACKUP),
    ("secret-file", SECRET_FILE),
    ("keeper", KEEPER),
];

/// Of the command, or of all if there is none of that name.
pub fn of(command: Option<&str>) -> &'static str {
    let command = match command.unwrap_or_default() {
        "start_all" => "start",
        "stop_all" => "stop",
        "mem" | "netstat" | "online" | "free" | "disc" | "disk" => "cpu",
        "enrol" | "certs" | "revoke" => "token",
        "restore" => "backup",
        command => command,
    };
    COMMANDS
        .iter()
        .find(|(name, _)| *name == command)
        .map_or(FLEET, |(_, text)| text)
}

const MASTER: &str = "\
welkin fleet master --dir DIR [--listen IP:PORT|off] [--http IP:PORT|off] [--http-host NAME]...
                    [--http-token-file F] [--secret-file F] [--install]
welkin fleet master --dir DIR --end

Runs the master of a fleet. DIR holds all its state; it is made when it is not there. Agents and
clients of other machines connect to --listen (0.0.0.0:7950). --http is the page with /api/status
and /metrics, 127.0.0.1:7947; on any other address than loopback it wants a certificate or the token
of --http-token-file; --http-host is a name by which it may be asked for. --secret-file lets agents
join by a secret that they have too. --install writes a systemd unit in place of running. --end ends
a running master; nodes and agents go on.

Example:
  welkin fleet master --dir fleet/master
";

const AGENT: &str = "\
welkin fleet agent --master HOST:PORT --dir DIR [--token-file F|-] [--secret-file F]
                   [--machine NAME] [--allow-path P]... [--allow-user root] [--trusted-keys F]
                   [--install]
welkin fleet agent --local MASTER_DIR --dir DIR
welkin fleet agent --dir DIR --end

Runs the agent of this machine, from the folder that the paths of the nodes start from. The first
time it needs a token (welkin fleet token --help), or a secret that the master has too; beside a
master on the same machine (--local) neither. --machine is the name to join by, the host's name
otherwise. --allow-path lets nodes use a folder outside of the agent's; --allow-user root lets an
agent of root run nodes as root. --trusted-keys takes only releases signed by one of the keys in F;
the master cannot change that. --install writes a systemd unit in place of running. --end ends a
running agent; the nodes go on.

Example:
  welkin fleet agent --master 10.0.0.1:7950 --dir fleet/agent --token-file m1.token
";

const KEEPER: &str = "\
welkin fleet keeper

Stands over one node. An agent starts it; it is of no use to people.

Example:
  (none)
";

const LIST: &str = "\
welkin fleet list [SEL...]

The nodes: node, machine, address, group, state, release, since.

Example:
  welkin fleet list machine:m1
";

const STATUS: &str = "\
welkin fleet status [SEL...]

The nodes with figures and health: node, state, ready, pid, uptime, restarts, cpu, mem, online,
release, reason. cpu: 100 % is one core. Figures of a node whose agent is away are its last ones;
the reason tells their age.

Example:
  welkin fleet status 'scene_*'
";

const HISTORY: &str = "\
welkin fleet history NODE

How the node came to its state: the last 1000 changes, with time and reason.

Example:
  welkin fleet history login_1
";

const LOGS: &str = "\
welkin fleet logs NODE [-f] [--since T] [--lines N] [--script]

The output of a node as its agent kept it: the last 100 lines, or N. --since takes a time back from
now (10m) or a point in time (2026-01-31T12:00:00Z). -f goes on with what comes, until Ctrl-C.
--script shows what start.sh, stop.sh and update.sh printed.

Example:
  welkin fleet logs login_1 -f --since 5m
";

const EXEC: &str = "\
welkin fleet exec NODE -- COMMAND

Sends a line to the debug console of the node and prints the answer. Status 1 for <CMD Error>. Role
operate may send list, mem, stat, netstat, task, uniqtask and ping; anything else needs admin.

Example:
  welkin fleet exec login_1 -- mem
";

const START: &str = "\
welkin fleet start SEL... [--no-wait] [--force]
welkin fleet start_all [--no-wait]

Nodes are wanted running from now on. Groups are started in the order of their after: each when
those before it are ready or failed. Waits until all are ready; --no-wait does not. --force starts a
node that has moved to another machine though the agent of its old machine cannot say that it is
stopped there. An agent that is away starts its nodes when it is back (--now-or-never: not).

Example:
  welkin fleet start group:login group:scene
";

const STOP: &str = "\
welkin fleet stop SEL... [--yes]
welkin fleet stop_all [--yes]

Nodes are wanted stopped from now on. Each drains, is then asked to end by SIGTERM, then killed, by
the times in its stop. Groups are stopped in the opposite order of starting. For more than one node
it asks first. The node of the master itself is never stopped.

Example:
  welkin fleet stop scene_2
";

const RESTART: &str = "\
welkin fleet restart SEL... [--at-once N] [--yes]

Stops and starts the nodes one after the other (N at once), each next when the one before is ready.

Example:
  welkin fleet restart group:scene --at-once 2
";

const DRAIN: &str = "\
welkin fleet drain SEL... [--off]

The nodes take no new players and go on; also after a restart, until --off.

Example:
  welkin fleet drain scene_1
";

const UPDATE: &str = "\
welkin fleet update [SEL...] --release FILE|DIR|ID [--signature F] [--no-rollback] [--yes]
welkin fleet update [SEL...] [--script] [--restart] [--yes]
welkin fleet update --continue | --cancel

Brings nodes (all but the master's) to a release: a folder or archive (tar.gz, tar.zst, zip), or the
ID of one that the master has. It is sent to the machines and checked there; then the nodes are
stopped, switched and started group by group, and watched. When one does not become ready, or ends,
all go back to the release that they had: status 5, the reason on top; --no-rollback leaves it at
that. A failure before the first node is switched changes nothing. --script, or nothing, runs
update.sh on each machine instead, and restarts nodes only with --restart.
Ctrl-C does not stop an update; --cancel does. --continue goes on with one that was paused.

Example:
  welkin fleet update --release game-1.4.tar.gz group:scene
";

const ROLLBACK: &str = "\
welkin fleet rollback [SEL...] [--yes]

Brings nodes back to the release that they had before, the same way as an update.

Example:
  welkin fleet rollback group:scene
";

const RELEASES: &str = "\
welkin fleet releases [--prune N]

The releases that the master has: id, label, size, uploaded, by, used by. --prune keeps the newest N
and those in use.

Example:
  welkin fleet releases --prune 3
";

const FIGURES: &str = "\
welkin fleet cpu [SEL...]      node, cpu, threads, machine cpu
welkin fleet mem [SEL...]      node, rss, share, limit
welkin fleet netstat [SEL...]  node, established, listen, closing, rx/s, tx/s, online
welkin fleet online [SEL...]   node, online
welkin fleet vmstat [SEL...]   machine, r, b, free, buff, cache, swap, bi, bo, in, cs, us, sy, id,
                               wa
welkin fleet free [SEL...]     machine, total, used, free, available, swap used, swap total
welkin fleet disc [SEL...]     machine, mount, type, total, used, free, percent (also: disk)

What nodes and machines use, over the last two seconds. cpu: 100 % is one core for a node, all cores
for a machine. What cannot be told is -.

Example:
  welkin fleet mem group:scene
";

const MACHINES: &str = "\
welkin fleet machines

The agents: machine, address, agent version, seen, nodes, cpu, mem, disk, clock offset.

Example:
  welkin fleet machines
";

const APPLY: &str = "\
welkin fleet apply FILE [--dry-run] [--restart] [--yes]

Gives the master a fleet file (fleet.toml) and shows what changes: + new, - gone, ~ other. It is
checked whole; when any part is wrong, nothing is applied, status 2. Nodes whose entry changed go on
with the old one until their next start; --restart restarts them. --dry-run only shows. The cluster
config that the file names is read from the folder of FILE.

Example:
  welkin fleet apply fleet.toml --dry-run
";

const EXPORT: &str = "\
welkin fleet export

Prints the fleet file as it was applied last.

Example:
  welkin fleet export > fleet.toml
";

const IMPORT: &str = "\
welkin fleet import CLUSTER_CONFIG

Prints a fleet file for the nodes of a cluster config (name = \"ip:port\" lines). Needs no master.

Example:
  welkin fleet import cluster_config > fleet.toml
";

const SECRET: &str = "\
welkin fleet secret set NAME FILE|-
welkin fleet secret list
welkin fleet secret drop NAME

Files for the nodes that name them in secrets = [...]; a node finds them in the folder that
WELKIN_SECRETS names. Sent only to machines that need them, never shown again. list: name, set, by,
used by.

Example:
  welkin fleet secret set db.pass db.pass
";

const TOKEN: &str = "\
welkin fleet token NAME --role ROLE [--ttl 15m] [--replace]
welkin fleet --master HOST:PORT enrol --token-file F|-
welkin fleet certs [--rotate-ca]
welkin fleet revoke NAME

token prints, once, what an agent or a client named NAME needs to get its certificate. ROLE: agent,
view, operate, deploy, admin. enrol gets a certificate for this user, kept in ~/.config/welkin. A
name that is enrolled is refused unless its token was made with --replace. certs shows all
certificates; --rotate-ca begins with a new authority. revoke ends one, also on open connections.

Example:
  welkin fleet token m1 --role agent > m1.token
";

const UPGRADE: &str = "\
welkin fleet upgrade MACHINE... --release FILE|DIR|ID [--signature F]

Agents take the welkin of that release and go on as it; nodes and keepers stay as they are. The old
one comes back if the new one does not start, or has no link to the master. First renew the master.

Example:
  welkin fleet upgrade m1 m2 --release 3f5a90c1d2e4
";

const AUDIT: &str = "\
welkin fleet audit [--since T] [--node N] [--verify [--log FILE]]

Every change that was asked for: time, who, from, command, target, result. --verify checks that no
record was changed or left out; with --log also against the hashes that the master wrote to its log
(FILE): so a log that was cut or written anew is found too.

Example:
  welkin fleet audit --since 1h
";

const BACKUP: &str = "\
welkin fleet backup FILE [--passphrase-file F|-]
welkin fleet --dir DIR restore FILE [--passphrase-file F|-]

backup writes the whole state of the master, keys and secrets too, into FILE, encrypted with a
passphrase; it is asked for, or read from F. restore makes an empty DIR from it, with no master
running. What was revoked since the backup must be revoked again.

Example:
  welkin fleet backup fleet.backup
";

const SECRET_FILE: &str = "\
welkin fleet secret-file FILE

Makes a file with 32 random bytes as hex, mode 0600, for fleet_secret in the nodes' configs and for
--secret-file. Copy it to every machine. It never overwrites a file.

Example:
  welkin fleet secret-file fleet.secret
";
