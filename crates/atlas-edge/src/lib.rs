//! The edge: accepts players, joins them to game servers, moves them between servers
