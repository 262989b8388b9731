//! The admin API as it describes itself: whole, and true of what it answers.

use std::collections::BTreeSet;

use atlas_testkit::{Atlas, Http, eventually_async};
use serde_json::{Value, json};

use crate::demo::demo;
use crate::support::{atlas, deadline, stdout};

/// Where a value is not what the schema says. It knows the keywords that our schemas have, and no others: with a new one
/// it fails until it knows that too.
fn faults(document: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    let Some(keywords) = schema.as_object() else {
        assert_eq!(schema, true, "a schema is an object, or true");
        return;
    };
    let mut fault = |what: String| found.push(format!("{at}: {what}: {value}"));
    for (keyword, wanted) in keywords {
        match keyword.as_str() {
            "description" | "title" | "default" | "format" | "examples" => {}
            "$ref" => {
                let pointer = wanted.as_str().unwrap().strip_prefix('#').unwrap();
                let schema = document.pointer(pointer).expect(pointer);
                let mut inner = Vec::new();
                faults(document, schema, value, at, &mut inner);
                found.append(&mut inner);
                return;
            }
            "type" => {
                let names = wanted.as_array().cloned();
                let names = names.unwrap_or_else(|| vec![wanted.clone()]);
                if !names.iter().any(|name| is(value, name.as_str().unwrap())) {
                    fault(format!("is no {wanted}"));
                }
            }
            "enum" if !wanted.as_array().unwrap().contains(value) => {
                fault(format!("is none of {wanted}"))
            }
            "const" if wanted != value => fault(format!("is not {wanted}")),
            "minimum"
                if value
                    .as_f64()
                    .is_some_and(|number| number < wanted.as_f64().unwrap()) =>
            {
                fault(format!("is less than {wanted}"));
            }
            "maximum"
                if value
                    .as_f64()
                    .is_some_and(|number| number > wanted.as_f64().unwrap()) =>
            {
                fault(format!("is more than {wanted}"));
            }
            "minItems"
                if value
                    .as_array()
                    .is_some_and(|all| (all.len() as u64) < wanted.as_u64().unwrap()) =>
            {
                fault(format!("has fewer than {wanted}"));
            }
            "maxItems"
                if value
                    .as_array()
                    .is_some_and(|all| all.len() as u64 > wanted.as_u64().unwrap()) =>
            {
                fault(format!("has more than {wanted}"));
            }
            "enum" | "const" | "minimum" | "maximum" | "minItems" | "maxItems" => {}
            "required" => {
                for name in wanted.as_array().unwrap() {
                    if value.is_object() && value.get(name.as_str().unwrap()).is_none() {
                        fault(format!("lacks {name}"));
                    }
                }
            }
            "anyOf" | "oneOf" => {
                let fits = wanted.as_array().unwrap().iter().any(|schema| {
                    let mut inner = Vec::new();
                    faults(document, schema, value, at, &mut inner);
                    inner.is_empty()
                });
                if !fits {
                    fault(format!("is none of {wanted}"));
                }
            }
            "items" | "properties" | "additionalProperties" => {}
            other => panic!("{at}: this test does not know the keyword {other}"),
        }
    }
    if let Some(items) = keywords.get("items") {
        for (index, value) in value.as_array().into_iter().flatten().enumerate() {
            faults(document, items, value, &format!("{at}[{index}]"), found);
        }
    }
    if keywords.contains_key("anyOf") || keywords.contains_key("oneOf") {
        return;
    }
    // What is answered and not described is a fault, too: whoever reads the document would not know of it.
    for (name, value) in value.as_object().into_iter().flatten() {
        let at = format!("{at}.{name}");
        let own = keywords.get("properties").and_then(|all| all.get(name));
        match own.or_else(|| keywords.get("additionalProperties")) {
            Some(Value::Bool(false)) | None => found.push(format!("{at}: is not described")),
            Some(schema) => faults(document, schema, value, &at, found),
        }
    }
}

fn is(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        "string" => value.is_string(),
        other => panic!("no type {other}"),
    }
}

/// The schema of an answer of an operation.
fn schema<'a>(document: &'a Value, method: &str, route: &str, status: u16) -> &'a Value {
    let responses = &document["paths"][route][method.to_lowercase()]["responses"];
    let status = status.to_string();
    let (answer, media) = match responses.get(&status) {
        Some(answer) => (answer, "application/json"),
        None => (&responses["default"], "application/problem+json"),
    };
    let schema = &answer["content"][media]["schema"];
    assert!(
        !schema.is_null(),
        "{method} {route} {status} is not described"
    );
    schema
}

async fn ask(
    node: &Http,
    document: &Value,
    method: &str,
    route: &str,
    path: &str,
    body: Option<Value>,
) -> (u16, Value) {
    let reply = node
        .request(method, path, body.as_ref(), deadline())
        .await
        .unwrap();
    let (status, value) = (reply.status, reply.json().unwrap());
    let mut found = Vec::new();
    faults(
        document,
        schema(document, method, route, status),
        &value,
        "answer",
        &mut found,
    );
    assert_eq!(
        found,
        Vec::<String>::new(),
        "{method} {path} answered {status}"
    );
    (status, value)
}

/// The operations that the reference page names.
fn of_page(page: &str) -> BTreeSet<(String, String)> {
    let (admin, _) = page.split_once("## The players' listener").unwrap();
    let rows = admin.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, method, path, ..] = cells[..] else {
            return None;
        };
        let path = path.strip_prefix('`')?.strip_suffix('`')?;
        Some((method.to_owned(), path.to_owned()))
    });
    rows.filter(|(_, path)| path != "/").collect()
}

fn of_document(document: &Value) -> BTreeSet<(String, String)> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().keys();
        methods.map(move |method| (method.to_uppercase(), path.clone()))
    });
    operations.collect()
}

async fn document(node: &Atlas) -> Value {
    let admin = node.admin().unwrap();
    admin
        .get_json("/v1/openapi.json", deadline())
        .await
        .unwrap()
}

#[tokio::test]
async fn the_document_and_the_reference_name_the_same_operations() {
    let page = of_page(&stdout(atlas(&["reference", "http"])).await);
    assert!(page.len() > 15, "{page:?}");
    let node = demo(1).await;
    let document = document(&node).await;
    assert_eq!(of_document(&document), page);
    assert_eq!(document["openapi"], "3.1.0");
    // Every reference leads somewhere, and what is described is described in words.
    let text = document.to_string();
    for part in text.split("\"$ref\":\"#").skip(1) {
        let (pointer, _) = part.split_once('"').unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        assert!(schema["description"].is_string(), "{name}");
        for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
            let described = schema["description"].is_string();
            assert!(described, "{name}.{field} has no words");
        }
    }
}

#[tokio::test]
async fn what_is_answered_is_what_is_described() {
    let node = demo(4).await;
    let admin = node.admin().unwrap();
    let document = document(&node).await;
    let there = eventually_async(deadline(), "four sessions", async || {
        let all = admin.get_json("/v1/sessions", deadline()).await.unwrap();
        let all_know = all["items"]
            .as_array()?
            .iter()
            .all(|session| session["position"].is_object());
        (all["total"] == 4 && all_know).then_some(all)
    });
    let all = there.await.unwrap();
    let id = all["items"][0]["id"].as_str().unwrap().to_owned();
    for path in [
        "/health",
        "/ready",
        "/servers",
        "/v1/servers",
        "/v1/sessions",
        "/v1/regions",
        "/v1/demo",
        "/v1/log",
        "/v1/node",
        "/v1/store",
        "/v1/store/commands",
        "/v1/store/clients",
        "/v1/store/slowlog",
    ] {
        let (status, _) = ask(&admin, &document, "GET", path, path, None).await;
        assert_eq!(status, 200, "{path}");
    }
    let session = format!("/v1/sessions/{id}");
    let (status, view) = ask(
        &admin,
        &document,
        "GET",
        "/v1/sessions/{id}",
        &session,
        None,
    )
    .await;
    assert_eq!(status, 200);
    let other = if view["server"] == "northwest" {
        "southeast"
    } else {
        "northwest"
    };
    let transfer = "/v1/sessions/{id}/transfer";
    let path = format!("{session}/transfer");
    let moved = ask(
        &admin,
        &document,
        "POST",
        transfer,
        &path,
        Some(json!({"server": other})),
    )
    .await;
    assert_eq!(moved.0, 200);
    let drain = "/v1/servers/{world}/{server}/drain";
    let path = "/v1/servers/main/southwest/drain";
    for (method, body, status) in [
        ("GET", None, 404),
        (
            "POST",
            Some(json!({"window": "1s", "deadline": "30s"})),
            202,
        ),
        ("GET", None, 200),
        ("DELETE", None, 200),
        ("POST", Some(json!({"deadline": 7})), 422),
    ] {
        let answered = ask(&admin, &document, method, drain, path, body).await;
        assert_eq!(answered.0, status, "{method}: {}", answered.1);
    }
    let level = Some(json!({"level": "info"}));
    assert_eq!(
        ask(&admin, &document, "PUT", "/v1/log", "/v1/log", level)
            .await
            .0,
        200
    );
    for (method, path, status) in [
        ("POST", "/v1/store/snapshot", 202),
        ("DELETE", "/v1/store/slowlog", 200),
    ] {
        let answered = ask(&admin, &document, method, path, path, None).await;
        assert_eq!(answered.0, status, "{method} {path}");
    }
    let key = json!({"key": "k", "type": "list", "value": "a"});
    let with = |more: Value| {
        let mut all = key.clone();
        all.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        Some(all)
    };
    for (method, path, query, body, status) in [
        (
            "PUT",
            "/v1/store/key/item",
            "",
            with(json!({"create": true})),
            200,
        ),
        (
            "PUT",
            "/v1/store/key/item",
            "",
            with(json!({"create": true})),
            409,
        ),
        (
            "PUT",
            "/v1/store/key/ttl",
            "",
            Some(json!({"key": "k", "ttl_ms": 60_000})),
            200,
        ),
        (
            "POST",
            "/v1/store/key/rename",
            "",
            Some(json!({"key": "k", "to": "l"})),
            200,
        ),
        ("GET", "/v1/store/keys", "?pattern=l*", None, 200),
        ("GET", "/v1/store/key", "?key=l", None, 200),
        ("GET", "/v1/store/key", "?key=k", None, 404),
        (
            "POST",
            "/v1/store/key/item/remove",
            "",
            Some(json!({"key": "l", "type": "list", "index": 0, "was": "b"})),
            409,
        ),
        ("DELETE", "/v1/store/key", "?key=l", None, 200),
    ] {
        let route = path;
        let path = format!("{path}{query}");
        let answered = ask(&admin, &document, method, route, &path, body).await;
        assert_eq!(answered.0, status, "{method} {path}: {}", answered.1);
    }
    let reload = ask(&admin, &document, "POST", "/v1/reload", "/v1/reload", None).await;
    assert_eq!(reload.0, 409, "a demo has nothing to reload");
    let kick = "/v1/sessions/{id}/kick";
    let path = format!("{session}/kick");
    assert_eq!(
        ask(&admin, &document, "POST", kick, &path, Some(json!({})))
            .await
            .0,
        200
    );

    // The events of the tap.
    let token = std::fs::read_to_string(node.data_dir().join("tap.token")).unwrap();
    let tap = Http::new(admin.address()).with_token(token.trim());
    let mut tap = tap.events("/v1/tap", deadline()).await.unwrap();
    let events = &document["paths"]["/v1/tap"]["get"]["responses"]["200"]["x-events"];
    for name in ["message", "counts"] {
        let event = tap
            .next_named(name, deadline())
            .await
            .unwrap()
            .json()
            .unwrap();
        let mut found = Vec::new();
        faults(&document, &events[name]["schema"], &event, name, &mut found);
        assert_eq!(found, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_wrong_answer_would_be_noticed() {
    let node = demo(1).await;
    let document = document(&node).await;
    let schema = schema(&document, "GET", "/v1/log", 200);
    for (value, fits) in [
        (json!({"level": "info"}), true),
        (json!({"level": 7}), false),
        (json!({}), false),
        (json!({"level": "info", "colour": "red"}), false),
        (json!([]), false),
    ] {
        let mut found = Vec::new();
        faults(&document, schema, &value, "answer", &mut found);
        assert_eq!(found.is_empty(), fits, "{value}: {found:?}");
    }
}
