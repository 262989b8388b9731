//! `ACL`: users and their rights. What changes users becomes a record; the rest is told from the users that there are.

use std::io::Write as _;
use std::path::Path;

use atlas_kv::acl::{
    Category, Denied, Password, Selector, USERS_MAX, User, Users, full_name, joined,
};
use atlas_kv::command;
use atlas_kv::{Arguments, Command, Reply};

use crate::connection::Output;
use crate::door::Request;
use crate::engine::Engine;

/// Bits of the longest password that is made up.
const PASSWORD_BITS_MAX: i64 = 4096;
/// The longest file of users that is read.
const FILE_BYTES_MAX: u64 = 64 << 20;
const NO_FILE: &str = "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store users in the Redis configuration.";

impl Engine {
    pub(super) fn acl(&mut self, key: usize, command: &'static Command, request: Request<'_>) {
        let arguments = request.arguments();
        if arguments.len() > 3 && matches!(command.name, "cat" | "genpass" | "log") {
            let name = arguments.at(1).escape_ascii();
            let line = format!(
                "ERR unknown subcommand or wrong number of arguments for '{name}'. Try ACL HELP."
            );
            return self.answer_error(key, &line);
        }
        match command.name {
            "setuser" => self.set_user(key, &arguments),
            "deluser" => self.delete_users(key, &arguments),
            "getuser" => {
                let user = self.user(arguments.at(2)).cloned();
                self.with_output(key, |output| match user {
                    Some(user) => describe(&user, output),
                    None => output.null(),
                });
            }
            "list" | "users" => {
                let users = self.users_in_force();
                self.with_output(key, |output| {
                    output.array(users.count());
                    for user in users.iter() {
                        if command.name == "users" {
                            output.bulk(user.name());
                        } else {
                            output.bulk(&user.line());
                        }
                    }
                });
            }
            "whoami" => self.with_connection(key, |connection| {
                connection.output.bulk(connection.user.name());
            }),
            "cat" => self.categories(key, &arguments),
            "genpass" => self.generate_password(key, &arguments),
            "log" => self.refusals_command(key, &arguments),
            "dryrun" => self.dry_run(key, &arguments),
            "load" | "save" if self.config.acl_file.as_os_str().is_empty() => {
                self.answer_error(key, NO_FILE);
            }
            "load" => self.load_users(key),
            "save" => {
                let text = self.users_in_force().file();
                match write_file(&self.config.acl_file, &text) {
                    Ok(()) => self.with_output(key, |output| output.ok()),
                    Err(error) => {
                        tracing::warn!(
                            file = self.config.acl_file.display().to_string(),
                            error = error.to_string(),
                            "the file of users was not written"
                        );
                        self.answer_error(key, "ERR There was an error trying to save the ACLs. Please check the server logs for more information");
                    }
                }
            }
            _ => self.help(key, "ACL", HELP),
        }
    }

    fn set_user(&mut self, key: usize, arguments: &Arguments<'_>) {
        let name = arguments.at(2);
        if !User::is_name(name) {
            return self.answer_error(key, "ERR Usernames can't contain spaces or null characters");
        }
        let rules = match joined(&arguments.skip(3)) {
            Ok(rules) => rules,
            Err(open) => {
                let open = open.escape_ascii();
                let line =
                    format!("ERR Unmatched parenthesis in acl selector starting at '{open}'.");
                return self.answer_error(key, &line);
            }
        };
        // Rules change the user as all records before will have made it.
        let hears_all = self.live.acl_hears_all;
        let is_overlaid = name == User::DEFAULT && self.drops_password_at.is_none();
        let overlaid = self.live.password.as_deref().filter(|_| is_overlaid);
        let overlaid = overlaid.map(Password::of);
        let before = match (self.users.get(name), overlaid) {
            (Some(user), Some(password)) => user.with_password(password),
            (Some(user), None) => User::clone(user),
            (None, _) if self.users.count() >= USERS_MAX => {
                let line = format!("ERR there are {USERS_MAX} users already, and no more may be");
                return self.answer_error(key, &line);
            }
            (None, _) => User::new(name, hears_all),
        };
        let user = match before.with(&rules, hears_all) {
            Ok(user) => user,
            Err((rule, error)) => {
                let rule = rule.escape_ascii();
                let line = format!("ERR Error in ACL SETUSER modifier '{rule}': {error}");
                return self.answer_error(key, &line);
            }
        };
        // The configuration's password is not the log's matter; a rule that takes it away does so until the next start.
        let index = self.next_index;
        let user = match overlaid {
            Some(password) if user.passwords().contains(&password) => {
                user.without_password(password)
            }
            Some(_) => {
                self.drops_password_at = Some(index);
                user
            }
            None => user,
        };
        let record = user.record();
        let mut next = self.users.clone();
        next.put(user);
        self.change_users(key, &record, next);
        if self.next_index == index {
            self.drops_password_at = None;
        }
        self.answer_inside(key, |output| output.ok());
    }

    fn delete_users(&mut self, key: usize, arguments: &Arguments<'_>) {
        let names = || arguments.iter().skip(2);
        if names().any(|name| name == User::DEFAULT) {
            return self.answer_error(key, "ERR The 'default' user cannot be removed");
        }
        let mut next = self.users.clone();
        let removed = names().filter(|name| next.remove(name)).count() as i64;
        if removed == 0 {
            return self.with_output(key, |output| output.integer(0));
        }
        self.change_users(key, &Users::removal(names()), next);
        self.answer_inside(key, |output| output.integer(removed));
    }

    /// Answers what changed users inside a transaction, where no record does.
    fn answer_inside(&mut self, key: usize, answer: impl FnOnce(&mut Output)) {
        if self.is_in_transaction && self.trouble.is_none() {
            self.with_output(key, answer);
        }
    }

    fn load_users(&mut self, key: usize) {
        let hears_all = self.live.acl_hears_all;
        match read_file(&self.config.acl_file, hears_all) {
            Ok(users) => {
                self.change_users(key, &users.record(), users);
                self.answer_inside(key, |output| output.ok());
            }
            Err(line) => self.answer_error(key, &format!("ERR {line}")),
        }
    }

    fn categories(&mut self, key: usize, arguments: &Arguments<'_>) {
        let Some(name) = arguments.get(2) else {
            return self.with_output(key, |output| {
                output.array(Category::all().names().count());
                Category::all()
                    .names()
                    .for_each(|name| output.bulk(name.as_bytes()));
            });
        };
        let Some(category) = Category::named(name) else {
            let name = name.escape_ascii();
            return self.answer_error(key, &format!("ERR Unknown category '{name:.128}'"));
        };
        self.with_output(key, |output| {
            output.array(category.commands().count());
            for (_, name) in category.commands() {
                output.bulk(name.as_bytes());
            }
        });
    }

    fn generate_password(&mut self, key: usize, arguments: &Arguments<'_>) {
        let bits = match arguments.get(2) {
            None => 256,
            Some(bits) => match atlas_kv::integer(bits) {
                Some(bits) => bits,
                None => {
                    let line = "ERR value is not an integer or out of range";
                    return self.answer_error(key, line);
                }
            },
        };
        if !(1..=PASSWORD_BITS_MAX).contains(&bits) {
            let line = format!(
                "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to {PASSWORD_BITS_MAX}"
            );
            return self.answer_error(key, &line);
        }
        let mut bytes = [0; PASSWORD_BITS_MAX as usize / 8];
        if getrandom::fill(&mut bytes).is_err() {
            return self.answer_error(key, "ERR the system gave no random numbers");
        }
        let mut digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        digits.truncate((bits as usize).div_ceil(4));
        self.with_output(key, |output| output.bulk(digits.as_bytes()));
    }

    fn refusals_command(&mut self, key: usize, arguments: &Arguments<'_>) {
        let mut count = 10;
        if arguments.is(2, "reset") {
            self.refusals.entries.clear();
            return self.with_output(key, |output| output.ok());
        } else if let Some(given) = arguments.get(2) {
            match atlas_kv::integer(given) {
                Some(given) => count = usize::try_from(given).unwrap_or(0),
                None => {
                    let line = "ERR value is not an integer or out of range";
                    return self.answer_error(key, line);
                }
            }
        }
        let now_ms = self.now_ms;
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let output = &mut connection.output;
        output.array(count.min(self.refusals.entries.len()));
        for refusal in self.refusals.entries.iter().take(count) {
            output.map(10);
            output.bulk(b"count");
            output.integer(refusal.count);
            for (field, value) in [
                ("reason", refusal.reason.as_bytes()),
                ("context", refusal.origin.name().as_bytes()),
                ("object", &refusal.object),
                ("username", &refusal.user),
            ] {
                output.bulk(field.as_bytes());
                output.bulk(value);
            }
            output.bulk(b"age-seconds");
            output.double((now_ms - refusal.updated_ms) as f64 / 1000.0);
            output.bulk(b"client-info");
            output.bulk(refusal.client.as_bytes());
            for (field, value) in [
                ("entry-id", refusal.id as i64),
                ("timestamp-created", refusal.created_ms),
                ("timestamp-last-updated", refusal.updated_ms),
            ] {
                output.bulk(field.as_bytes());
                output.integer(value);
            }
        }
    }

    fn dry_run(&mut self, key: usize, arguments: &Arguments<'_>) {
        let Some(user) = self.user(arguments.at(2)).cloned() else {
            let name = arguments.at(2).escape_ascii();
            return self.answer_error(key, &format!("ERR User '{name}' not found"));
        };
        let asked = arguments.skip(3);
        let found = match command::resolve(&asked) {
            Ok(found) => found,
            Err(error) => {
                let line = error.to_string();
                if !line.starts_with("ERR unknown") {
                    return self.answer_error(key, &line);
                }
                let name = asked.name().escape_ascii();
                return self.answer_error(key, &format!("ERR Command '{name}' not found"));
            }
        };
        let what = match user.check(found, &asked) {
            Ok(()) => return self.with_output(key, |output| output.ok()),
            Err(Denied::Command) => format!("run the '{}' command", full_name(found)),
            Err(Denied::Key(at)) => format!("access the '{}' key", asked.at(at).escape_ascii()),
            Err(Denied::Channel(at)) => {
                format!("access the '{}' channel", asked.at(at).escape_ascii())
            }
        };
        let line = format!("This user has no permissions to {what}");
        self.with_output(key, |output| output.bulk(line.as_bytes()));
    }
}

/// The users of a file.
pub(crate) fn read_file(file: &Path, hears_all: bool) -> Result<Users, String> {
    let name = file.display().to_string();
    let cannot =
        |error: std::io::Error| format!("Error loading ACLs, opening file '{name}': {error}");
    let length = std::fs::metadata(file).map_err(cannot)?.len();
    if length > FILE_BYTES_MAX {
        return Err(format!("Error loading ACLs, file '{name}' is too long"));
    }
    let text = std::fs::read(file).map_err(cannot)?;
    Users::of_file(&text, &name, hears_all)
}

/// Puts a file in the place of another so that either the old or the new one is there, whatever happens. Only its owner may
/// read it.
fn write_file(file: &Path, text: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;

    let mut name = file.as_os_str().to_owned();
    name.push(".new");
    let fresh = Path::new(&name);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut open = options.open(fresh)?;
    open.write_all(text)?;
    open.sync_all()?;
    std::fs::rename(fresh, file)?;
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    std::fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// A user as `ACL GETUSER` shows it.
fn describe(user: &User, output: &mut Output) {
    output.map(6);
    output.bulk(b"flags");
    let flags = user.flags();
    output.set(flags.len());
    flags.iter().for_each(|flag| output.bulk(flag.as_bytes()));
    output.bulk(b"passwords");
    output.array(user.passwords().len());
    for password in user.passwords() {
        output.bulk(password.digits().as_bytes());
    }
    let mut selectors = user.selectors();
    if let Some(root) = selectors.next() {
        describe_selector(root, output);
    }
    let others: Vec<&Selector> = selectors.collect();
    output.bulk(b"selectors");
    output.array(others.len());
    for selector in others {
        output.map(3);
        describe_selector(selector, output);
    }
}

fn describe_selector(selector: &Selector, output: &mut Output) {
    output.bulk(b"commands");
    output.bulk(&selector.command_rules());
    output.bulk(b"keys");
    output.bulk(&selector.key_rules().join(&b' '));
    output.bulk(b"channels");
    output.bulk(&selector.channel_rules().join(&b' '));
}

const HELP: &[&str] = &[
    "CAT [<category>]",
    "    List all commands that belong to <category>, or all command categories",
    "    when no category is specified.",
    "DELUSER <username> [<username> ...]",
    "    Remove users and close their connections.",
    "DRYRUN <username> <command> [<arg> ...]",
    "    Tell whether the user could run the command, without running it.",
    "GETUSER <username>",
    "    Tell a user's rights.",
    "GENPASS [<bits>]",
    "    Make up a password, of 256 bits unless said otherwise.",
    "LIST",
    "    Show users as lines of an ACL file.",
    "LOAD",
    "    Take the users from the ACL file.",
    "LOG [<count> | RESET]",
    "    Show what was refused for want of rights.",
    "SAVE",
    "    Write the users into the ACL file.",
    "SETUSER <username> <attribute> [<attribute> ...]",
    "    Make or change a user.",
    "USERS",
    "    Name all users.",
    "WHOAMI",
    "    Tell the name of the connection's user.",
];
