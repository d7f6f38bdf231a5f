/*---
id: service-account-token-minted
title: Somebody made themselves a token of a service account
techniques: [B11, B12]
status: stable
severity: medium
confidence: high
attack: [T1528, T1098]
threat_matrix: [MS-TA9016]
layer: cluster
control: detection
practice: secrets
needs: {level: Metadata, resources: [serviceaccounts/token], verbs: [create]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  system_namespaces:
    default: [kube-system, kube-public, flux-system, argocd, cert-manager, gatekeeper-system, kyverno]
    why: Namespaces whose service accounts can do more than an application's.
why: >-
  A token of a service account acts with its rights, outlives the session that made it and leaves no object
  behind. kubelets make them for their pods; people and other software seldom need to.
blind_spots: >-
  Tokens that a kubelet was made to request for a pod of the attacker's; tokens read out of secrets or pods.
  Without bodies the asked lifetime is not visible.
false_positives: >-
  CI systems and secret managers that mint tokens by design; administrators who try something with kubectl
  create token.
triage:
  - Whose token, and what may that service account do?
  - Where was it used? Its id is in the annotation authentication.kubernetes.io/issued-credential-id; look for it as credential_id.
  - Delete the service account, or its binding, to end the token.
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT succeeded(response_code) OR is_dry_run(request_uri) THEN 'low'
            WHEN list_contains($system_namespaces, namespace)
                 OR try_cast(json_extract_string(request_object, '$.spec.expirationSeconds') AS BIGINT) > 86400 THEN 'high'
            END AS severity,
       actor(user_name, impersonated_user_name)
           || CASE WHEN succeeded(response_code) THEN ' got a token of ' ELSE ' was refused a token of ' END || namespace || '/' || name
           || coalesce(' for ' || json_extract_string(request_object, '$.spec.expirationSeconds') || ' s', '') AS detail
FROM requests
WHERE resource = 'serviceaccounts' AND subresource = 'token' AND verb = 'create'
  AND (impersonated_user_name IS NOT NULL OR NOT (
      is_node(user_name, user_groups) OR is_control_plane(user_name, user_groups, source_ip)))
