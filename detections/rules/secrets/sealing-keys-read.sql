/*---
id: sealing-keys-read
title: Keys that open other secrets were read
techniques: [N33, N51]
status: stable
severity: high
confidence: medium
attack: [T1552.007]
threat_matrix: [MS-TA9025]
layer: cluster
control: detection
practice: secrets
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  Sealing keys, kubeadm's certificates, etcd's and the cloud's credentials open everything else. Hardly anybody
  ever reads them.
blind_spots: >-
  Keys under other names: names are all the log shows of a secret.
false_positives: >-
  Backup of the keys; kubeadm when a control-plane node joins.
triage:
  - Who read it and why? Rotate the key if nobody can say.
  - Who else read it before (ashiato secret-access)?
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT coalesce(succeeded(response_code), response_code IS NULL) THEN 'low' WHEN verb = 'create' OR verb = 'patch' THEN 'medium' END AS severity,
       actor(user_name, impersonated_user_name) || ' ' || verb || ' secret ' || coalesce(namespace || '/', '') || name || CASE WHEN response_code IS NULL OR succeeded(response_code) THEN '' WHEN denied_by(response_code, decision, response_message) IS NOT NULL THEN ', refused by ' || denied_by(response_code, decision, response_message) ELSE ', answered with ' || response_code END AS detail
FROM requests
WHERE resource = 'secrets' AND subresource IS NULL AND verb IN ('get', 'create', 'patch', 'watch')
  AND regexp_matches(name, '^(sealed-secrets-key|kubeadm-certs|etcd-|bootstrap-token-)|(^|-)(root-ca|ca-key|cloud-credentials|cloud-config|unseal|vault-keys)')
  AND NOT (impersonated_user_name IS NULL AND (is_control_plane(user_name, user_groups, source_ip) OR is_built_in_controller(service_account_namespace, service_account_name)))
  -- Software reads its own keys in its own namespace.
  AND NOT (impersonated_user_name IS NULL AND service_account_namespace IS NOT DISTINCT FROM namespace)
  AND NOT is_node(user_name, user_groups)
