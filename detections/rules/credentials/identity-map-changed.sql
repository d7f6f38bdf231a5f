/*---
id: identity-map-changed
title: The map from outside identities to cluster identities was changed
techniques: [B25, N42]
status: stable
severity: high
confidence: high
attack: [T1098, T1556]
layer: cluster
control: detection
practice: rbac
needs: {verbs: [create, update, patch, delete]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  aws-auth decides which cloud roles are who in the cluster; kubeadm's and the API server's own ConfigMaps
  decide whom new nodes and front proxies trust. A line more is an administrator more.
blind_spots: >-
  Identity maps outside the cluster (access entries, OIDC configuration).
false_positives: >-
  Cluster upgrades and the cloud's own tools.
triage:
  - What changed (history of the ConfigMap)?
  - Who is the new identity?
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT coalesce(succeeded(response_code), response_code IS NULL) OR is_dry_run(request_uri) THEN 'low' WHEN name NOT IN ('aws-auth', 'extension-apiserver-authentication', 'cluster-info') THEN 'medium' END AS severity,
       actor(user_name, impersonated_user_name) || ' ' || verb || ' ConfigMap ' || namespace || '/' || name || CASE WHEN response_code IS NULL OR succeeded(response_code) THEN '' WHEN denied_by(response_code, decision, response_message) IS NOT NULL THEN ', refused by ' || denied_by(response_code, decision, response_message) ELSE ', answered with ' || response_code END AS detail
FROM requests
WHERE resource = 'configmaps' AND verb IN ('create', 'update', 'patch', 'delete') AND subresource IS NULL AND NOT (impersonated_user_name IS NULL AND (is_control_plane(user_name, user_groups, source_ip) OR is_built_in_controller(service_account_namespace, service_account_name)))
  AND ((namespace = 'kube-system' AND (name IN ('aws-auth', 'kubeadm-config', 'kube-proxy', 'extension-apiserver-authentication') OR starts_with(name, 'kubelet-config')))
       OR (namespace = 'kube-public' AND name = 'cluster-info'))
