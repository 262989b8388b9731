//! What travels at the edge: WebSocket frames, upgrade heads, the link's messages, dialects
