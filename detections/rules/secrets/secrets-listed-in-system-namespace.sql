/*---
id: secrets-listed-in-system-namespace
title: Every secret of a system namespace was read
techniques: [B03]
status: stable
severity: high
confidence: medium
attack: [T1552.007]
threat_matrix: [MS-TA9025]
layer: cluster
control: detection
practice: secrets
needs: {level: Metadata, resources: [secrets], verbs: [list]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  system_namespaces:
    default: [kube-system, kube-public, kube-node-lease, flux-system, argocd, cert-manager, vault, gatekeeper-system, kyverno]
    why: Namespaces whose secrets are worth more than an application's.
why: >-
  Secrets of kube-system and its like hold the cluster's own credentials: tokens of controllers, bootstrap
  tokens, certificates. Listing them returns their values.
blind_spots: >-
  Lists of ordinary namespaces (see many-secrets-read), and reading them one by one.
false_positives: >-
  Backup and GitOps tools that manage those namespaces.
triage:
  - Is it a person or a service account, and is it meant to read there?
  - Rotate what was in there if it was not.
  - What did the identity do with it? Look for its new credentials in use.
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       actor(user_name, impersonated_user_name) || ' listed the secrets of ' || namespace AS detail
FROM requests
WHERE resource = 'secrets' AND subresource IS NULL AND verb = 'list' AND succeeded(response_code)
  AND list_contains($system_namespaces, namespace) AND name IS NULL
  AND (impersonated_user_name IS NOT NULL OR NOT (
      is_control_plane(user_name, user_groups, source_ip)
      OR is_built_in_controller(service_account_namespace, service_account_name)))
