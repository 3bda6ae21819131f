//! The commands of the client: their words, options, and how many words may follow.

/// One command.
#[derive(Debug)]
pub struct Form {
    /// Its word.
    pub word: &'static str,
    /// Its options, separated by blanks; `=` behind one that takes a value.
    pub options: &'static str,
    /// The fewest and the most words that follow.
    pub plain: (usize, usize),
    /// What follows the word, for people.
    pub usage: &'static str,
}

const MANY: usize = usize::MAX;

/// Options that any command takes.
pub const EVERYWHERE: &str = "--master= --dir= --json --timeout= --or-busy --now-or-never --yes";

/// All commands.
pub const FORMS: [Form; 37] = [
    form("list", "", (0, MANY), " [SEL...]"),
    form("status", "", (0, MANY), " [SEL...]"),
    form("machines", "", (0, 0), ""),
    form(
        "start",
        "--no-wait --force",
        (1, MANY),
        " SEL... [--no-wait] [--force]",
    ),
    form("start_all", "--no-wait", (0, 0), " [--no-wait]"),
    form("stop", "", (1, MANY), " SEL..."),
    form("stop_all", "", (0, 0), ""),
    form("restart", "--at-once=", (1, MANY), " SEL... [--at-once N]"),
    form("drain", "--off", (1, MANY), " SEL... [--off]"),
    form(
        "update",
        "--release= --signature= --script --restart --no-rollback --continue --cancel",
        (0, MANY),
        " [SEL...] --release FILE|DIR|ID",
    ),
    form("rollback", "", (0, MANY), " [SEL...]"),
    form("releases", "--prune=", (0, 0), " [--prune N]"),
    form("cpu", "", (0, MANY), " [SEL...]"),
    form("mem", "", (0, MANY), " [SEL...]"),
    form("vmstat", "", (0, MANY), " [SEL...]"),
    form("netstat", "", (0, MANY), " [SEL...]"),
    form("free", "", (0, MANY), " [SEL...]"),
    form("disc", "", (0, MANY), " [SEL...]"),
    form("disk", "", (0, MANY), " [SEL...]"),
    form("online", "", (0, MANY), " [SEL...]"),
    form(
        "logs",
        "-f --since= --lines= --script",
        (1, 1),
        " NODE [-f] [--since T] [--lines N] [--script]",
    ),
    form("exec", "", (1, MANY), " NODE -- COMMAND"),
    form(
        "apply",
        "--dry-run --restart",
        (1, 1),
        " FILE [--dry-run] [--restart]",
    ),
    form("export", "", (0, 0), ""),
    form("import", "", (1, 1), " CLUSTER_CONFIG"),
    form("secret", "", (1, 3), " set NAME FILE|- | list | drop NAME"),
    form(
        "token",
        "--role= --ttl= --replace",
        (1, 1),
        " NAME --role ROLE [--ttl T] [--replace]",
    ),
    form("enrol", "--token-file=", (0, 0), " --token-file F|-"),
    form("certs", "--rotate-ca", (0, 0), " [--rotate-ca]"),
    form("revoke", "", (1, 1), " NAME"),
    form(
        "upgrade",
        "--release= --signature=",
        (1, MANY),
        " MACHINE... --release FILE|DIR|ID [--signature F]",
    ),
    form(
        "audit",
        "--since= --node= --verify --log=",
        (0, 0),
        " [--since T] [--node N] [--verify [--log FILE]]",
    ),
    form(
        "backup",
        "--passphrase-file=",
        (1, 1),
        " FILE [--passphrase-file F|-]",
    ),
    form(
        "restore",
        "--passphrase-file=",
        (1, 1),
        " FILE --dir DIR [--passphrase-file F|-]",
    ),
    form("history", "", (1, 1), " NODE"),
    form("secret-file", "", (1, 1), " FILE"),
    form("help", "", (0, MANY), ""),
];

const fn form(
    word: &'static str,
    options: &'static str,
    plain: (usize, usize),
    usage: &'static str,
) -> Form {
    Form {
        word,
        options,
        plain,
        usage,
    }
}
