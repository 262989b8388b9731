use super::*;

fn registry(aliases: bool) -> Registry {
    Registry::new(&MetricsConfig { aliases })
}

#[test]
fn each_kind_is_rendered_and_declared() {
    let registry = registry(false);
    let transfers = registry
        .counters(
            "atlas_edge_transfers_total",
            "Transfers that ended.",
            &["world", "outcome"],
        )
        .unwrap();
    transfers.with_label_values(&["main", "done"]).inc_by(3);
    registry
        .counter("atlas_edge_refused_total", "Connections refused.")
        .unwrap()
        .inc();
    registry
        .gauge("atlas_edge_connections", "Clients connected.")
        .unwrap()
        .set(7);
    registry
        .gauges("atlas_edge_sessions", "Sessions.", &["world"])
        .unwrap()
        .with_label_values(&["main"])
        .set(2);
    let held = registry
        .histogram(
            "atlas_edge_held_seconds",
            "How long input was held.",
            &[0.01, 0.1],
        )
        .unwrap();
    held.observe(0.05);
    let by_world = registry
        .histograms("atlas_edge_wait_seconds", "Waits.", &["world"], &[1.0])
        .unwrap();
    by_world.with_label_values(&["main"]).observe(0.5);
    registry
        .computed(
            Kind::Counter,
            "atlas_edge_messages_total",
            "Messages.",
            &["direction"],
            || vec![(vec!["in".into()], 10.0), (vec!["out".into()], 12.0)],
        )
        .unwrap();
    registry
        .computed(
            Kind::Gauge,
            "atlas_edge_nothing",
            "Nothing now.",
            &["x"],
            Vec::new,
        )
        .unwrap();
    insta::assert_snapshot!(registry.render().unwrap());
    let declared: Vec<String> = registry
        .declared()
        .iter()
        .map(|d| format!("{} {} {:?}: {}", d.name, d.kind, d.labels, d.help))
        .collect();
    insta::assert_snapshot!(declared.join("\n"));
}

#[test]
fn aliases_show_only_when_asked_for() {
    for shown in [false, true] {
        let registry = registry(shown);
        registry
            .gauge("atlas_edge_connections", "Clients connected.")
            .unwrap()
            .set(7);
        registry
            .alias("horizon_atlas_connections_active", "atlas_edge_connections")
            .unwrap();
        let text = registry.render().unwrap();
        assert!(text.contains("\natlas_edge_connections 7\n"), "{text}");
        assert_eq!(
            text.contains("\nhorizon_atlas_connections_active 7\n"),
            shown,
            "{text}"
        );
        assert_eq!(
            registry.declared()[0].aliases,
            ["horizon_atlas_connections_active"]
        );
    }
    assert!(registry(true).alias("x", "atlas_edge_connections").is_err());
}

#[test]
fn names_follow_the_rule_and_are_declared_once() {
    let wrong = [
        (Kind::Counter, "edge_refused_total"),
        (Kind::Counter, "atlas_total"),
        (Kind::Counter, "atlas_edge_refused"),
        (Kind::Gauge, "atlas_edge_refused_total"),
        (Kind::Histogram, "atlas_edge_held"),
    ];
    for (kind, name) in wrong {
        let result = registry(false).computed(kind, name, "Help.", &[], Vec::new);
        assert!(matches!(result, Err(Error::MetricName { .. })), "{name}");
    }
    assert!(
        registry(false)
            .counter("atlas_edge_refused_total", " ")
            .is_err(),
        "no HELP"
    );
    assert!(matches!(
        registry(false).gauge("atlas_edge_größe", "Help."),
        Err(Error::Metric { .. })
    ));
    let twice = registry(false);
    twice.gauge("atlas_edge_connections", "Help.").unwrap();
    assert!(matches!(
        twice.gauge("atlas_edge_connections", "Help."),
        Err(Error::Metric { .. })
    ));
}

#[test]
fn the_process_tells_of_itself() {
    let registry = registry(false);
    registry.process("1.2.3").unwrap();
    let text = registry.render().unwrap();
    assert!(
        text.contains("atlas_node_info{version=\"1.2.3\"} 1\n"),
        "{text}"
    );
    assert!(text.contains("\natlas_node_uptime_seconds "), "{text}");
    if cfg!(target_os = "linux") {
        for name in ["atlas_node_resident_bytes", "atlas_node_descriptors"] {
            let line = text.lines().find(|line| line.starts_with(name)).unwrap();
            let value: f64 = line.split(' ').nth(1).unwrap().parse().unwrap();
            assert!(value > 0.0, "{line}");
        }
    }
}
