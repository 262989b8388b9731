//! `CLIENT TRACKING`, `CACHING`, `TRACKINGINFO`.

use atlas_kv::{Arguments, Reply as _};

use crate::door::KEPT;
use crate::engine::Engine;
use crate::tracking::{Tracked, prefix_cost};

impl Engine {
    pub(super) fn client_tracking(&mut self, key: usize, arguments: &Arguments<'_>) {
        let (asked, prefixes) = match self.tracking_options(arguments) {
            Ok(read) => read,
            Err(line) => return self.answer_error(key, line),
        };
        if arguments.is(2, "off") {
            self.untrack(key);
            return self.with_output(key, |output| output.ok());
        }
        if !arguments.is(2, "on") {
            return self.answer_error(key, "ERR syntax error");
        }
        let Some(connection) = self.connections.get(key) else {
            return;
        };
        let before = connection.tracked.as_deref();
        if let Some(line) = incompatible(&asked, before, !prefixes.is_empty()) {
            return self.answer_error(key, line);
        }
        if let Some(line) = overlap(before, &prefixes) {
            return self.answer_error(key, &line);
        }
        let prefixes = match asked.is_broadcast && prefixes.is_empty() {
            true => vec![&b""[..]],
            false => prefixes,
        };
        if !self.may_keep(key, prefixes.iter().map(|prefix| prefix_cost(prefix)).sum()) {
            return self.answer_error(key, KEPT);
        }
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let client = connection.id;
        let mut tracked = match connection.tracked.take() {
            Some(tracked) => tracked,
            None => {
                self.tracking.clients += 1;
                Box::default()
            }
        };
        for prefix in prefixes.iter().filter(|_| asked.is_broadcast) {
            tracked.prefixes.insert((*prefix).into());
            self.tracking.add_prefix(client, prefix);
        }
        *tracked = Tracked {
            prefixes: std::mem::take(&mut tracked.prefixes),
            is_caching_said: tracked.is_caching_said,
            ..asked
        };
        connection.tracked = Some(tracked);
        connection.settle_trust();
        connection.output.ok();
    }

    /// What a `CLIENT TRACKING` asks for, and its prefixes.
    fn tracking_options<'a>(
        &self,
        arguments: &Arguments<'a>,
    ) -> Result<(Tracked, Vec<&'a [u8]>), &'static str> {
        let (mut asked, mut prefixes) = (Tracked::default(), Vec::new());
        let mut at = 3;
        while at < arguments.len() {
            let has_more = at + 1 < arguments.len();
            if arguments.is(at, "redirect") && has_more {
                at += 1;
                if asked.redirect != 0 {
                    return Err("ERR A client can only redirect to a single other client");
                }
                let id = atlas_kv::integer(arguments.at(at))
                    .ok_or("ERR value is not an integer or out of range")?;
                let id = u64::try_from(id).unwrap_or(0);
                if !self.by_client.contains_key(&id) {
                    return Err("ERR The client ID you want redirect to does not exist");
                }
                asked.redirect = id;
            } else if arguments.is(at, "bcast") {
                asked.is_broadcast = true;
            } else if arguments.is(at, "optin") {
                asked.is_opt_in = true;
            } else if arguments.is(at, "optout") {
                asked.is_opt_out = true;
            } else if arguments.is(at, "noloop") {
                asked.is_no_loop = true;
            } else if arguments.is(at, "prefix") && has_more {
                at += 1;
                prefixes.push(arguments.at(at));
            } else {
                return Err("ERR syntax error");
            }
            at += 1;
        }
        Ok((asked, prefixes))
    }

    pub(super) fn client_caching(&mut self, key: usize, arguments: &Arguments<'_>) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let line = match &mut connection.tracked {
            Some(tracked) if tracked.is_opt_in || tracked.is_opt_out => {
                let is_yes = arguments.is(2, "yes");
                if !is_yes && !arguments.is(2, "no") {
                    "ERR syntax error"
                } else if is_yes && !tracked.is_opt_in {
                    "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode."
                } else if !is_yes && !tracked.is_opt_out {
                    "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode."
                } else {
                    tracked.is_caching_said = true;
                    return connection.output.ok();
                }
            }
            _ => {
                "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled"
            }
        };
        self.answer_error(key, line);
    }

    pub(super) fn tracking_info(&mut self, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let mut flags = vec!["off"];
        let redirect = connection.redirect();
        if let Some(tracked) = &connection.tracked {
            flags = vec!["on"];
            let mut add = |is: bool, flag| {
                if is {
                    flags.push(flag);
                }
            };
            add(tracked.is_broadcast, "bcast");
            add(tracked.is_opt_in, "optin");
            add(tracked.is_opt_in && tracked.is_caching_said, "caching-yes");
            add(tracked.is_opt_out, "optout");
            add(tracked.is_opt_out && tracked.is_caching_said, "caching-no");
            add(tracked.is_no_loop, "noloop");
            add(tracked.is_broken, "broken_redirect");
        }
        let output = &mut connection.output;
        output.map(3);
        output.bulk(b"flags");
        output.set(flags.len());
        flags.iter().for_each(|flag| output.bulk(flag.as_bytes()));
        output.bulk(b"redirect");
        output.integer(redirect);
        output.bulk(b"prefixes");
        let prefixes = connection
            .tracked
            .iter()
            .flat_map(|tracked| &tracked.prefixes);
        output.array(prefixes.clone().count());
        prefixes.for_each(|prefix| output.bulk(prefix));
    }
}

/// Why options do not go together, or not with how the connection tracks already.
fn incompatible(
    asked: &Tracked,
    before: Option<&Tracked>,
    has_prefixes: bool,
) -> Option<&'static str> {
    if !asked.is_broadcast && has_prefixes {
        return Some("ERR PREFIX option requires BCAST mode to be enabled");
    }
    if before.is_some_and(|before| before.is_broadcast != asked.is_broadcast) {
        return Some(
            "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode.",
        );
    }
    if asked.is_broadcast && (asked.is_opt_in || asked.is_opt_out) {
        return Some("ERR OPTIN and OPTOUT are not compatible with BCAST");
    }
    if asked.is_opt_in && asked.is_opt_out {
        return Some("ERR You can't specify both OPTIN mode and OPTOUT mode");
    }
    let switches = before.is_some_and(|before| {
        (asked.is_opt_in && before.is_opt_out) || (asked.is_opt_out && before.is_opt_in)
    });
    switches.then_some("ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a different mode.")
}

/// A key must not be told twice: prefixes of one client begin differently.
fn overlap(before: Option<&Tracked>, prefixes: &[&[u8]]) -> Option<String> {
    let overlaps = |one: &[u8], other: &[u8]| one.starts_with(other) || other.starts_with(one);
    for (number, prefix) in prefixes.iter().enumerate() {
        let mut held = before.iter().flat_map(|before| &before.prefixes);
        let existing = held
            .find(|held| overlaps(held, prefix))
            .map(|held| (held.as_ref(), "an existing"));
        let mut later = prefixes.iter().skip(number + 1);
        let other = existing.or_else(|| {
            let other = later.find(|other| overlaps(other, prefix));
            other.map(|other| (*other, "another provided"))
        });
        if let Some((other, which)) = other {
            return Some(format!(
                "ERR Prefix '{}' overlaps with {which} prefix '{}'. Prefixes for a single client must not overlap.",
                prefix.escape_ascii(),
                other.escape_ascii()
            ));
        }
    }
    None
}
