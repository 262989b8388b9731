//! The admin API described from its types: a route is added together with what it takes and answers, so that none is
//! without a description, and the OpenAPI document is made of these.

use std::collections::BTreeMap;

use axum::Router;
use axum::routing::MethodRouter;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// The schema of a type.
type Of = fn(&mut SchemaGenerator) -> Schema;

/// What a request needs to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    Free,
    /// Nothing on this machine, else the admin token.
    Loopback,
    /// The admin token.
    Token,
    /// A token of its own, in this file of the data folder.
    Own(&'static str),
}

/// One operation of the API: a method of a route.
#[derive(Clone)]
pub struct Operation {
    /// The method in capitals.
    pub method: &'static str,
    /// The path, with `{names}` for what varies.
    pub path: &'static str,
    /// What a request needs.
    pub access: Access,
    /// What it does, a sentence without its stop.
    pub what: &'static str,
    query: Option<Of>,
    body: Option<Of>,
    answers: Vec<(u16, &'static str, Option<Of>)>,
    events: Vec<(&'static str, &'static str, Option<Of>)>,
}

impl Operation {
    fn new(method: &'static str, path: &'static str, what: &'static str) -> Self {
        Self {
            method,
            path,
            access: Access::Token,
            what,
            query: None,
            body: None,
            answers: Vec::new(),
            events: Vec::new(),
        }
    }

    /// A `GET`, under the admin token if nothing else is said.
    #[must_use]
    pub fn get(path: &'static str, what: &'static str) -> Self {
        Self::new("GET", path, what)
    }

    /// A `POST`.
    #[must_use]
    pub fn post(path: &'static str, what: &'static str) -> Self {
        Self::new("POST", path, what)
    }

    /// A `PUT`.
    #[must_use]
    pub fn put(path: &'static str, what: &'static str) -> Self {
        Self::new("PUT", path, what)
    }

    /// A `DELETE`.
    #[must_use]
    pub fn delete(path: &'static str, what: &'static str) -> Self {
        Self::new("DELETE", path, what)
    }

    /// What a request needs.
    #[must_use]
    pub fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// The parameters of the query.
    #[must_use]
    pub fn query<T: JsonSchema>(mut self) -> Self {
        self.query = Some(|generator| generator.root_schema_for::<T>());
        self
    }

    /// The JSON that a request may bring.
    #[must_use]
    pub fn body<T: JsonSchema>(mut self) -> Self {
        self.body = Some(|generator| generator.subschema_for::<T>());
        self
    }

    /// JSON that is answered.
    #[must_use]
    pub fn json<T: JsonSchema>(mut self, status: u16) -> Self {
        let of: Of = |generator| generator.subschema_for::<T>();
        self.answers.push((status, "application/json", Some(of)));
        self
    }

    /// Something else that is answered.
    #[must_use]
    pub fn other(mut self, status: u16, media: &'static str) -> Self {
        self.answers.push((status, media, None));
        self
    }

    /// Server-sent events of this name are answered, with JSON of this type as their data.
    #[must_use]
    pub fn event<T: JsonSchema>(mut self, name: &'static str, what: &'static str) -> Self {
        let of: Of = |generator| generator.subschema_for::<T>();
        self.events.push((name, what, Some(of)));
        self
    }

    /// Server-sent events of this name are answered, with JSON as the words say.
    #[must_use]
    pub fn event_of(mut self, name: &'static str, what: &'static str) -> Self {
        self.events.push((name, what, None));
        self
    }

    fn describe(&self, answered: &mut SchemaGenerator, taken: &mut SchemaGenerator) -> Value {
        let mut operation = json!({ "summary": self.what });
        let names = self
            .path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let mut parameters: Vec<Value> = names
            .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
            .collect();
        if let Some(query) = self.query {
            let schema = query(taken).to_value();
            for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
                let mut schema = schema.clone();
                let what = schema
                    .as_object_mut()
                    .and_then(|it| it.remove("description"));
                parameters.push(
                    json!({"name": name, "in": "query", "description": what, "schema": schema}),
                );
            }
        }
        if !parameters.is_empty() {
            operation["parameters"] = parameters.into();
        }
        if let Some(body) = self.body {
            let schema = body(taken).to_value();
            operation["requestBody"] = json!({"content": {"application/json": {"schema": schema}}});
        }
        let mut responses = Map::new();
        for (status, media, schema) in &self.answers {
            let content = match schema {
                Some(of) => json!({ *media: {"schema": of(answered).to_value()} }),
                None if media.is_empty() => json!({}),
                None => json!({ *media: {"schema": {"type": "string"}} }),
            };
            let response = json!({"description": status_words(*status), "content": content});
            responses.insert(status.to_string(), response);
        }
        if !self.events.is_empty() {
            let events: Map<String, Value> = self
                .events
                .iter()
                .map(|(name, what, of)| {
                    let schema = of.map_or(json!({"type": "object"}), |of| of(answered).to_value());
                    (
                        (*name).to_owned(),
                        json!({"description": what, "schema": schema}),
                    )
                })
                .collect();
            let content = json!({"text/event-stream": {"schema": {"type": "string"}}});
            let response = json!({"description": "server-sent events", "content": content, "x-events": events});
            responses.insert("200".to_owned(), response);
        }
        let problem = answered.subschema_for::<super::Problem>().to_value();
        responses.insert(
            "default".to_owned(),
            json!({"description": "an error", "content": {"application/problem+json": {"schema": problem}}}),
        );
        operation["responses"] = responses.into();
        operation["security"] = match self.access {
            Access::Free => json!([]),
            Access::Loopback => json!([{}, {"admin": []}]),
            Access::Token => json!([{"admin": []}]),
            Access::Own(_) => json!([{"own": []}]),
        };
        operation
    }
}

fn status_words(status: u16) -> &'static str {
    let status = axum::http::StatusCode::from_u16(status).ok();
    status
        .and_then(|status| status.canonical_reason())
        .unwrap_or("an answer")
}

/// Routes with their descriptions.
pub struct Routes<S = ()> {
    router: Router<S>,
    operations: Vec<Operation>,
}

impl<S: Clone + Send + Sync + 'static> Default for Routes<S> {
    fn default() -> Self {
        Self {
            router: Router::new(),
            operations: Vec::new(),
        }
    }
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an operation; `handler` answers its method.
    #[must_use]
    pub fn add(mut self, operation: Operation, handler: MethodRouter<S>) -> Self {
        self.router = self.router.route(operation.path, handler);
        self.operations.push(operation);
        self
    }

    /// Adds others' routes.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.operations.extend(other.operations);
        self
    }

    /// Hands the handlers their state.
    #[must_use]
    pub fn with_state(self, state: S) -> Routes {
        Routes {
            router: self.router.with_state(state),
            operations: self.operations,
        }
    }

    /// What is described.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The routes alone.
    pub fn into_router(self) -> Router<S> {
        self.router
    }
}

/// The OpenAPI document (3.1) of these operations.
#[must_use]
pub fn document(version: &str, operations: &[Operation]) -> Value {
    let settings = || {
        SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        })
    };
    let mut answered = settings().for_serialize().into_generator();
    let mut taken = settings().for_deserialize().into_generator();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for operation in operations {
        let described = operation.describe(&mut answered, &mut taken);
        paths
            .entry(operation.path)
            .or_default()
            .insert(operation.method.to_lowercase(), described);
    }
    let mut schemas = taken.take_definitions(true);
    schemas.extend(answered.take_definitions(true));
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Atlas admin API", "version": version},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "admin": {"type": "http", "scheme": "bearer", "description": "admin.token in the node's data folder"},
                "own": {"type": "http", "scheme": "bearer", "description": "a token of the route's own, such as tap.token in the node's data folder"},
            },
        },
    })
}
