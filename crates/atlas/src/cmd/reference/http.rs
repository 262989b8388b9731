//! The routes of the listeners, for the reference page: the admin API as it describes itself, and what has no JSON.

use std::fmt::Write as _;

use atlas_runtime::admin::{Access, Admin, Operation, document};
use serde_json::Value;

use crate::wiring;

/// What a node answers that is no part of the API.
const CONSOLE: [&str; 4] = [
    "GET",
    "`/`",
    "yes",
    "the console, of the store at `/store`; `/?token=TOKEN` signs a browser in",
];

const PLAYERS: [[&str; 4]; 2] = [
    [
        "GET",
        "`/health`",
        "no",
        "`OK` while the edge takes players",
    ],
    ["GET", "any other path, as a WebSocket", "no", "a player"],
];

const REGISTRATION: [[&str; 4]; 5] = [
    [
        "POST",
        "`/api/v1/servers/register`",
        "no",
        "registers a game server; 201 with its id, 409 where another one is",
    ],
    [
        "POST",
        "`/worlds/{world}/api/v1/servers/register`",
        "no",
        "the same in a world of that name",
    ],
    [
        "PUT",
        "`/api/v1/servers/{id}/heartbeat`",
        "no",
        "a registered server lives; answers with commands",
    ],
    [
        "DELETE",
        "`/api/v1/servers/{id}`",
        "no",
        "a registered server leaves",
    ],
    ["GET", "`/health`", "no", "`OK`"],
];

const TABLE: &str = "| method | path | token | what |\n|---|---|---|---|\n";

/// Every operation of the admin API.
pub(super) fn operations() -> Vec<Operation> {
    let mut operations = Admin::own_operations();
    operations.extend(atlas_edge::admin_operations());
    operations.extend(atlas_store::admin_operations());
    operations.extend(wiring::operations());
    operations.extend_from_slice(atlas_demo::players::routes(None).operations());
    operations.sort_by_key(|operation| (operation.path.starts_with("/v1"), operation.path));
    operations
}

/// The page.
pub(super) fn page() -> String {
    let operations = operations();
    let mut text = String::from(
        "# HTTP routes\n\nErrors are `application/problem+json` (RFC 9457), see [Problem](#problem). The admin API is also an OpenAPI document,\n\
         made of the same types: `GET /v1/openapi.json`.\n\n## The admin listener (`admin.listen`)\n\n",
    );
    text += TABLE;
    row(&mut text, CONSOLE);
    for operation in &operations {
        let token = match operation.access {
            Access::Free => "no".to_owned(),
            Access::Loopback => "not on loopback".to_owned(),
            Access::Token => "yes".to_owned(),
            Access::Own(file) => format!("its own, `{file}`"),
        };
        let path = format!("`{}`", operation.path);
        row(&mut text, [operation.method, &path, &token, operation.what]);
    }
    text += "\n## The players' listener (`edge.listen`)\n\n";
    text += TABLE;
    for cells in PLAYERS {
        row(&mut text, cells);
    }
    text += "\n## The listener of game servers (`edge.registration.listen`), for the networks of `edge.registration.allow`\n\n";
    text += TABLE;
    for cells in REGISTRATION {
        row(&mut text, cells);
    }
    let document = document("", &operations);
    text += "\n## What the admin API takes and answers\n";
    for operation in &operations {
        details(&mut text, operation, &document);
    }
    text += "\n## Data\n";
    let schemas = document["components"]["schemas"].as_object();
    let schemas: std::collections::BTreeMap<_, _> = schemas.into_iter().flatten().collect();
    for (name, schema) in schemas {
        data(&mut text, name, schema);
    }
    text
}

// Writing into a string cannot fail, here and below.
fn row(text: &mut String, cells: [&str; 4]) {
    let _ = writeln!(text, "| {} |", cells.join(" | "));
}

/// What one operation takes and answers.
fn details(text: &mut String, operation: &Operation, document: &Value) {
    let described = &document["paths"][operation.path][operation.method.to_lowercase()];
    let _ = writeln!(
        text,
        "\n### `{} {}`\n\n{}.",
        operation.method, operation.path, operation.what
    );
    let query: Vec<&Value> = described["parameters"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|parameter| parameter["in"] == "query")
        .collect();
    if !query.is_empty() {
        text.push_str("\n| parameter | type | meaning |\n|---|---|---|\n");
    }
    for parameter in query {
        let name = parameter["name"].as_str().unwrap_or_default();
        let what = parameter["description"].as_str().unwrap_or_default();
        let _ = writeln!(
            text,
            "| `{name}` | {} | {} |",
            kind(&parameter["schema"]),
            cell(what)
        );
    }
    let body = &described["requestBody"]["content"]["application/json"]["schema"];
    if !body.is_null() {
        let _ = writeln!(text, "\nTakes {}.", kind(body));
    }
    for (status, answer) in described["responses"].as_object().into_iter().flatten() {
        for (media, content) in answer["content"].as_object().into_iter().flatten() {
            match (status.as_str(), media.as_str()) {
                ("default", _) => {}
                (status, "application/json") => {
                    let _ = writeln!(
                        text,
                        "\nAnswers {status} with {}.",
                        kind(&content["schema"])
                    );
                }
                (status, media) => {
                    let _ = writeln!(text, "\nAnswers {status} with `{media}`.");
                }
            }
        }
        let events = answer["x-events"].as_object();
        if events.is_some() {
            text.push_str("\n| event | data | what |\n|---|---|---|\n");
        }
        for (name, event) in events.into_iter().flatten() {
            let what = event["description"].as_str().unwrap_or_default();
            let _ = writeln!(
                text,
                "| `{name}` | {} | {} |",
                kind(&event["schema"]),
                cell(what)
            );
        }
    }
}

/// One shape of data.
fn data(text: &mut String, name: &str, schema: &Value) {
    let _ = writeln!(text, "\n### {name}");
    if let Some(what) = schema["description"].as_str() {
        let _ = writeln!(text, "\n{what}");
    }
    let Some(fields) = schema["properties"].as_object() else {
        let _ = writeln!(text, "\n{}", kind(schema));
        return;
    };
    text.push_str("\n| field | type | meaning |\n|---|---|---|\n");
    for (field, schema) in fields {
        let what = schema["description"].as_str().unwrap_or_default();
        let _ = writeln!(text, "| `{field}` | {} | {} |", kind(schema), cell(what));
    }
}

/// A schema in a few words.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"]
        .as_str()
        .and_then(|path| path.rsplit('/').next())
    {
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(all) = schema["enum"].as_array() {
        let words: Vec<_> = all.iter().filter_map(Value::as_str).collect();
        return format!("`{}`", words.join("`, `"));
    }
    for any in ["anyOf", "oneOf"] {
        if let Some(all) = schema[any].as_array() {
            let words: Vec<_> = all.iter().map(kind).collect();
            return words.join(" or ");
        }
    }
    if let Some(word) = schema["const"].as_str() {
        return format!("`{word}`");
    }
    match &schema["type"] {
        Value::String(name) if name == "array" => match &schema["items"] {
            Value::Null => "array".to_owned(),
            items => format!("array of {}", kind(items)),
        },
        Value::String(name) => name.clone(),
        Value::Array(names) => {
            let words: Vec<_> = names.iter().filter_map(Value::as_str).collect();
            words.join(" or ")
        }
        _ => "anything".to_owned(),
    }
}

fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}
