/*---
id: source-address-claimed
title: A client claimed to come from another address
techniques: [N28]
status: stable
severity: low
confidence: medium
attack: [T1036, T1090]
threat_matrix: [MS-TA9029]
layer: cluster
control: detection
practice: audit-logging
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
claims: [source_ips]
params:
  known_proxies:
    default: []
    why: Addresses of load balancers and proxies that stand in front of the kube-apiserver.
why: >-
  Only the last address of a request is the kube-apiserver's own word; those before it come from a header that
  anybody can write. Rules and allow-lists that read the first one are deceived.
blind_spots: >-
  A client that claims nothing.
false_positives: >-
  Load balancers and proxies in front of the kube-apiserver: give theirs as known_proxies.
triage:
  - Is the last address a proxy of yours?
  - Look at everything that came from the last address.
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN regexp_matches(source_ips[1], '^(127\.|10\.|192\.168\.|172\.(1[6-9]|2[0-9]|3[01])\.|::1$|f[cd])') AND NOT regexp_matches(source_ip, '^(127\.|10\.|192\.168\.|172\.(1[6-9]|2[0-9]|3[01])\.|::1$|f[cd])') THEN 'medium' END AS severity,
       actor(user_name, impersonated_user_name) || ' came from ' || source_ip || ' and claimed ' || array_to_string(source_ips[:-2], ', ') || CASE WHEN response_code IS NULL OR succeeded(response_code) THEN '' WHEN denied_by(response_code, decision, response_message) IS NOT NULL THEN ', refused by ' || denied_by(response_code, decision, response_message) ELSE ', answered with ' || response_code END AS detail
FROM requests
WHERE len(source_ips) > 1 AND NOT list_contains($known_proxies, source_ip)
  -- Aggregated API servers are asked by the kube-apiserver, which hands on where it was asked from.
  AND NOT coalesce(user_name = 'system:apiserver' OR is_node(user_name, user_groups), false)
