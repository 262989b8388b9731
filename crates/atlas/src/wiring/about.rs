//! What a node says of itself over the admin API: the console asks it which of its pages there are.

use atlas_runtime::admin::{Operation, Routes};
use axum::Json;
use axum::extract::State;
use axum::routing::get;
use schemars::JsonSchema;
use serde::Serialize;

use super::VERSION;
use super::node::Node;
use crate::config::Role;

/// A node.
#[derive(Clone, JsonSchema, Serialize)]
struct NodeView {
    /// Its name.
    id: String,
    /// The program's version.
    version: String,
    /// Its roles: `edge`, `store`.
    roles: Vec<String>,
}

/// The route of a node with these roles.
pub(super) fn routes(node: &Node, roles: &[Role]) -> Routes {
    described().with_state(NodeView {
        id: node.config.node.id(),
        version: VERSION.to_owned(),
        roles: roles.iter().map(|role| role.name().to_owned()).collect(),
    })
}

/// Its description, without a node.
pub(super) fn operations() -> Vec<Operation> {
    described().operations().to_vec()
}

fn described() -> Routes<NodeView> {
    Routes::new().add(
        Operation::get("/v1/node", "The node and its roles").json::<NodeView>(200),
        get(async |State(view): State<NodeView>| Json(view)),
    )
}
