//! What is known of the commands about connections and the node. The store runs them; here they are declared, so that
//! `COMMAND` and the documentation show them beside the others.

use crate::command::{Command, Flags, Group, Keys};
use crate::keys::inspection;

const ADMIN: Flags = Flags::ADMIN.union(Flags::DANGEROUS);
/// Of commands that any client may send at any time.
const OPEN: Flags = Flags::FAST.union(Flags::NO_AUTH);
const PUBSUB: Flags = Flags::PUBSUB.union(Flags::SUBSCRIBED);

const fn connection(
    name: &'static str,
    arity: i16,
    since: &'static str,
    summary: &'static str,
) -> Command {
    Command::service(name, arity, Group::Connection, since, summary)
}

const fn server(
    name: &'static str,
    arity: i16,
    since: &'static str,
    summary: &'static str,
) -> Command {
    Command::service(name, arity, Group::Server, since, summary)
}

const fn transactions(
    name: &'static str,
    arity: i16,
    since: &'static str,
    summary: &'static str,
) -> Command {
    Command::service(name, arity, Group::Transactions, since, summary).and(Flags::NO_MULTI)
}

const fn pubsub(
    name: &'static str,
    arity: i16,
    since: &'static str,
    summary: &'static str,
) -> Command {
    Command::service(name, arity, Group::PubSub, since, summary).and(Flags::PUBSUB)
}

/// The commands of this family.
pub(crate) static COMMANDS: &[Command] = &[
    server("acl", -2, "6.0.0", "Commands about users and their rights.").subcommands(ACL),
    connection(
        "auth",
        -2,
        "1.0.0",
        "Says who a connection is, with a password.",
    )
    .and(OPEN),
    connection("client", -2, "2.4.0", "Commands about connections.").subcommands(CLIENT),
    connection("echo", 2, "1.0.0", "Answers its argument.")
        .and(Flags::FAST)
        .without(Flags::NOSCRIPT),
    connection(
        "hello",
        -1,
        "6.0.0",
        "Greets the server and chooses the protocol.",
    )
    .and(OPEN),
    connection("ping", -1, "1.0.0", "Answers that the server is there.")
        .and(Flags::FAST.union(Flags::SUBSCRIBED))
        .without(Flags::NOSCRIPT),
    connection("quit", -1, "1.0.0", "Closes the connection.").and(OPEN.union(Flags::SUBSCRIBED)),
    connection(
        "reset",
        1,
        "6.2.0",
        "Makes the connection as it was when it began.",
    )
    .and(OPEN.union(Flags::SUBSCRIBED)),
    connection("select", 2, "1.0.0", "Chooses the connection's database.")
        .and(Flags::FAST)
        .without(Flags::NOSCRIPT),
    server(
        "bgrewriteaof",
        1,
        "1.0.0",
        "Begins a snapshot and lets go of the log before it.",
    )
    .and(ADMIN)
    .and(Flags::NO_MULTI),
    server("bgsave", -1, "1.0.0", "Begins a snapshot.").and(ADMIN),
    server("command", -1, "2.8.13", "Tells what is known of commands.").subcommands(COMMAND),
    server("config", -2, "2.0.0", "Commands about the configuration.").subcommands(CONFIG),
    server("debug", -2, "1.0.0", "Commands for tests.")
        .and(ADMIN)
        .subcommands(DEBUG),
    server("info", -1, "1.0.0", "Tells about the server.").and(Flags::DANGEROUS),
    server(
        "lastsave",
        1,
        "1.0.0",
        "Tells when the last snapshot was written.",
    )
    .and(Flags::FAST)
    .and(ADMIN),
    server("latency", -2, "2.8.13", "Commands about delays.").subcommands(LATENCY),
    server("memory", -2, "4.0.0", "Commands about memory.").subcommands(MEMORY),
    server(
        "module",
        -2,
        "4.0.0",
        "Commands about modules, of which there are none.",
    )
    .subcommands(MODULE),
    server("role", 1, "2.8.12", "Tells the node's part in its group.").and(Flags::FAST),
    server("save", 1, "1.0.0", "Writes a snapshot and waits for it.")
        .and(ADMIN)
        .and(Flags::NO_MULTI),
    server("shutdown", -1, "1.0.0", "Stops the server.")
        .and(ADMIN)
        .and(Flags::NO_MULTI),
    server("slowlog", -2, "2.2.12", "Commands about slow commands.").subcommands(SLOWLOG),
    server("time", 1, "2.6.0", "Tells the server's time.")
        .and(Flags::FAST)
        .without(Flags::NOSCRIPT),
    Command::service(
        "wait",
        3,
        Group::Generic,
        "3.0.0",
        "Waits until replicas have the connection's writes.",
    )
    .and(Flags::BLOCKING),
    Command::service(
        "waitaof",
        4,
        Group::Generic,
        "7.2.0",
        "Waits until the connection's writes are on disks.",
    )
    .and(Flags::BLOCKING),
    transactions("discard", 1, "2.0.0", "Forgets a transaction.").and(Flags::FAST),
    transactions("exec", 1, "1.2.0", "Runs a transaction.").and(Flags::SKIP_SLOWLOG),
    transactions("multi", 1, "1.2.0", "Begins a transaction.").and(Flags::FAST),
    transactions("unwatch", 1, "2.2.0", "Watches no key any more.")
        .and(Flags::FAST)
        .without(Flags::NO_MULTI),
    transactions(
        "watch",
        -2,
        "2.2.0",
        "Lets a transaction fail if keys change before it.",
    )
    .and(Flags::FAST)
    .keys(Keys::ALL),
    pubsub(
        "psubscribe",
        -2,
        "2.0.0",
        "Listens to channels by patterns.",
    )
    .and(PUBSUB),
    pubsub("publish", 3, "2.0.0", "Sends a message to a channel.")
        .and(Flags::FAST.union(Flags::MAY_REPLICATE))
        .without(Flags::NOSCRIPT),
    pubsub("pubsub", -2, "2.8.0", "Commands about channels.")
        .without(Flags::PUBSUB)
        .subcommands(PUBSUB_COMMANDS),
    pubsub("punsubscribe", -1, "2.0.0", "Listens by patterns no more.").and(PUBSUB),
    pubsub("subscribe", -2, "2.0.0", "Listens to channels.").and(PUBSUB),
    pubsub("unsubscribe", -1, "2.0.0", "Listens to channels no more.").and(PUBSUB),
];

const ACL: &[Command] = &[
    server(
        "cat",
        -2,
        "6.0.0",
        "Names the categories, or the commands of one.",
    ),
    server(
        "deluser",
        -3,
        "6.0.0",
        "Removes users and closes their connections.",
    )
    .and(ADMIN),
    server(
        "dryrun",
        -4,
        "7.0.0",
        "Tells whether a user could run a command.",
    )
    .and(ADMIN),
    server("genpass", -2, "6.0.0", "Makes up a password."),
    server("getuser", 3, "6.0.0", "Tells the rights of a user.").and(ADMIN),
    server("help", 2, "6.0.0", "Tells about the subcommands.").without(Flags::NOSCRIPT),
    server("list", 2, "6.0.0", "Tells all users as lines of a file.").and(ADMIN),
    server("load", 2, "6.0.0", "Takes the users from a file.").and(ADMIN),
    server(
        "log",
        -2,
        "6.0.0",
        "Tells what was refused for want of rights.",
    )
    .and(ADMIN),
    server("save", 2, "6.0.0", "Writes the users into a file.").and(ADMIN),
    server("setuser", -3, "6.0.0", "Makes or changes a user.").and(ADMIN),
    server("users", 2, "6.0.0", "Names the users.").and(ADMIN),
    server("whoami", 2, "6.0.0", "Tells who the connection is."),
];

const CLIENT: &[Command] = &[
    connection(
        "caching",
        3,
        "6.0.0",
        "Says whether the next command is tracked.",
    ),
    connection("getname", 2, "2.6.9", "Tells the connection's name."),
    connection(
        "getredir",
        2,
        "6.0.0",
        "Tells who hears of changes in its place.",
    ),
    connection("help", 2, "5.0.0", "Tells about the subcommands."),
    connection("id", 2, "5.0.0", "Tells the connection's number."),
    connection("info", 2, "6.2.0", "Tells about the connection."),
    connection("kill", -3, "2.4.0", "Closes connections.").and(ADMIN),
    connection("list", -2, "2.4.0", "Tells about all connections.").and(ADMIN),
    connection(
        "no-evict",
        3,
        "7.0.0",
        "Spares the connection when memory is short.",
    )
    .and(ADMIN),
    connection("no-touch", 3, "7.2.0", "Reads without counting as a use."),
    connection("pause", -3, "3.0.0", "Lets commands of clients wait.").and(ADMIN),
    connection(
        "reply",
        3,
        "3.2.0",
        "Chooses whether commands are answered.",
    ),
    connection("setinfo", 4, "7.2.0", "Says which library connects."),
    connection("setname", 3, "2.6.9", "Names the connection."),
    connection(
        "tracking",
        -3,
        "6.0.0",
        "Chooses whether the connection hears of changes of what it has read.",
    ),
    connection(
        "trackinginfo",
        2,
        "6.2.0",
        "Tells how the connection tracks.",
    ),
    connection("unblock", -3, "5.0.0", "Ends another connection's waiting.").and(ADMIN),
    connection("unpause", 2, "6.2.0", "Ends a pause.").and(ADMIN),
];

const COMMAND: &[Command] = &[
    server("count", 2, "2.8.13", "Counts the commands."),
    server("docs", -2, "7.0.0", "Tells what commands do."),
    server("getkeys", -3, "2.8.13", "Finds the keys of a command."),
    server("help", 2, "5.0.0", "Tells about the subcommands."),
    server("info", -2, "2.8.13", "Tells what is known of commands."),
    server("list", -2, "7.0.0", "Names the commands."),
];

const CONFIG: &[Command] = &[
    server("get", -3, "2.0.0", "Tells settings.").and(ADMIN),
    server("help", 2, "5.0.0", "Tells about the subcommands."),
    server("resetstat", 2, "2.0.0", "Begins the counts of `INFO` anew.").and(ADMIN),
    server(
        "rewrite",
        2,
        "2.8.0",
        "Refused: the configuration file is a person's.",
    )
    .and(ADMIN),
    server("set", -4, "2.0.0", "Changes settings.").and(ADMIN),
];

const DEBUG: &[Command] = &[
    inspection::DEBUG_DIGEST,
    inspection::DEBUG_DIGEST_VALUE,
    server("error", 3, "1.0.0", "Answers an error.").and(ADMIN),
    server("help", 2, "1.0.0", "Tells about the subcommands.").and(ADMIN),
    server("loadaof", 2, "1.0.0", "Reads the log again.").and(ADMIN),
    server("log", 3, "1.0.0", "Writes a line to the server's log.").and(ADMIN),
    inspection::DEBUG_OBJECT,
    server("protocol", 3, "6.0.0", "Answers something of a type.").and(ADMIN),
    server(
        "quicklist-packed-threshold",
        3,
        "7.0.0",
        "Accepted; lists have no such threshold.",
    )
    .and(ADMIN),
    server("reload", -2, "1.0.0", "Writes a snapshot and reads it.").and(ADMIN),
    server(
        "set-active-expire",
        3,
        "2.8.0",
        "Chooses whether keys are removed when due.",
    )
    .and(ADMIN),
    server("sleep", 3, "1.0.0", "Does nothing for some seconds.").and(ADMIN),
];

const LATENCY: &[Command] = &[
    server("doctor", 2, "2.8.13", "Tells about delays in words.").and(ADMIN),
    server("help", 2, "2.8.13", "Tells about the subcommands."),
    server("history", 3, "2.8.13", "Tells the delays of an event.").and(ADMIN),
    server("latest", 2, "2.8.13", "Tells the latest delays.").and(ADMIN),
    server("reset", -2, "2.8.13", "Forgets delays.").and(ADMIN),
];

const MEMORY: &[Command] = &[
    server("doctor", 2, "4.0.0", "Tells about memory in words."),
    server("help", 2, "4.0.0", "Tells about the subcommands."),
    server("purge", 2, "4.0.0", "Gives memory back to the system."),
    server("stats", 2, "4.0.0", "Tells what memory is used for."),
    inspection::MEMORY_USAGE,
];

const MODULE: &[Command] = &[
    server("help", 2, "5.0.0", "Tells about the subcommands."),
    server("list", 2, "4.0.0", "Names the modules, none.").and(ADMIN),
];

const SLOWLOG: &[Command] = &[
    server("get", -2, "2.2.12", "Tells slow commands.").and(ADMIN),
    server("help", 2, "6.2.0", "Tells about the subcommands."),
    server("len", 2, "2.2.12", "Counts slow commands.").and(ADMIN),
    server("reset", 2, "2.2.12", "Forgets slow commands.").and(ADMIN),
];

const PUBSUB_COMMANDS: &[Command] = &[
    pubsub(
        "channels",
        -2,
        "2.8.0",
        "Names the channels that have listeners.",
    ),
    pubsub("help", 2, "6.2.0", "Tells about the subcommands.").without(Flags::PUBSUB),
    pubsub("numpat", 2, "2.8.0", "Counts the patterns."),
    pubsub("numsub", -2, "2.8.0", "Counts the listeners of channels."),
];
