/*---
id: anonymous-request-allowed
title: A request without any credential was allowed
techniques: [A01]
status: stable
severity: high
confidence: high
attack: [T1190, T1078.001]
threat_matrix: [MS-TA9005]
layer: cluster
control: detection
practice: rbac
needs: {level: Metadata}
window: 1h
entity: [user_name, source_ip]
why: >-
  Whoever can reach the API server can do this. An anonymous request that is allowed means that a role is
  bound to system:anonymous or system:unauthenticated.
blind_spots: >-
  Requests that an authenticating proxy in front of the API server sends under a name and group of its own.
false_positives: >-
  None is known beyond the health, version and discovery documents that are left out; kubeadm join reads kube-
  public/cluster-info, which is left out too.
triage:
  - Which binding let it in? decision_reason of the evidence names it.
  - Remove that binding, or the subject from it.
  - What else did this address do? Look at an hour on both sides.
references:
  - https://kubernetes.io/docs/reference/access-authn-authz/authentication/#anonymous-requests
---*/
SELECT cluster, event_id, request_received_at, user_name, source_ip,
       verb || ' ' || uri_path(request_uri) || ' was allowed without a credential' || coalesce(': ' || nullif(decision_reason, ''), '') AS detail
FROM requests
WHERE is_anonymous(user_name, user_groups) AND succeeded(response_code)
  AND verb NOT IN ('create', 'update', 'patch', 'delete', 'deletecollection')
  -- What Kubernetes shows to everybody on purpose. The path decides, never the user agent.
  AND NOT regexp_full_match(uri_path(request_uri), '/(healthz|livez|readyz)(/.*)?|/version/?|/\.well-known/.*|/openid/v1/jwks')
  AND NOT coalesce(resource = 'configmaps' AND namespace = 'kube-public' AND name = 'cluster-info' AND verb = 'get', false)
