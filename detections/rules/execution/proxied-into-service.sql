/*---
id: proxied-into-service
title: Something inside the cluster was reached through the kube-apiserver
techniques: [N39]
status: stable
severity: low
confidence: medium
attack: [T1090, T1210]
threat_matrix: [MS-TA9034]
layer: cluster
control: detection
practice: network
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  services/proxy and pods/proxy let their user talk to anything that listens in the cluster, past network
  policies, from the kube-apiserver's address.
blind_spots: >-
  What was said: only the path stands in the log.
false_positives: >-
  kubectl proxy, and dashboards opened through it.
triage:
  - Who is it, and is there a ticket for it?
  - What did the pod's service account do afterwards (timeline by pod)?
  - "What ran in the session: the runtime's own log knows, the audit log does not."
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT coalesce(succeeded(response_code), response_code IS NULL) THEN 'informational'
            WHEN namespace = 'kube-system' OR regexp_matches(coalesce(name, ''), 'dashboard|grafana|argocd|vault|etcd|kubeflow|jupyter') OR verb IN ('create', 'update', 'patch', 'delete') THEN 'medium' END AS severity,
       actor(user_name, impersonated_user_name) || ' reached ' || resource || ' ' || coalesce(namespace || '/', '') || coalesce(name, '') || regexp_extract(uri_path(request_uri), '/proxy(/.*)$', 1) || CASE WHEN response_code IS NULL OR succeeded(response_code) THEN '' WHEN denied_by(response_code, decision, response_message) IS NOT NULL THEN ', refused by ' || denied_by(response_code, decision, response_message) ELSE ', answered with ' || response_code END AS detail
FROM requests
WHERE resource IN ('services', 'pods') AND subresource = 'proxy'
