/*---
id: privileged-identity-impersonated
title: Somebody acted as a privileged identity
techniques: [E17, N12]
status: stable
severity: high
confidence: high
attack: [T1134, T1550]
threat_matrix: [MS-TA9019]
layer: cluster
control: detection
practice: rbac
needs: {level: Metadata}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  Impersonation needs no credential of whom one acts as. As system:masters no rule holds any more, and the
  requests look like somebody else's in every tool that shows one name only.
blind_spots: >-
  Identities that are privileged by a binding of the cluster's own; only the operator knows them.
false_positives: >-
  Administrators who use kubectl --as on purpose; access proxies that pass on the groups of their users.
triage:
  - Who may impersonate, and should they? Look at roles with the verb impersonate.
  - What was done under the borrowed identity?
  - Was the real user's credential used from its usual address?
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT succeeded(response_code) THEN 'medium'
            WHEN list_contains(impersonated_user_groups, 'system:masters') THEN 'critical' END AS severity,
       user_name || ' acted as ' || impersonated_user_name || ' (' || array_to_string(impersonated_user_groups, ', ') || '): '
           || verb || ' ' || coalesce(nullif(concat_ws('/', resource, subresource), ''), uri_path(request_uri)) AS detail
FROM requests
WHERE impersonated_user_name IS NOT NULL
  AND (list_has_any(coalesce(impersonated_user_groups, []), ['system:masters', 'kubeadm:cluster-admins', 'system:nodes', 'system:serviceaccounts:kube-system'])
       OR impersonated_user_name IN ('system:admin', 'kubernetes-admin', 'system:kube-controller-manager', 'system:kube-scheduler', 'system:apiserver')
       OR starts_with(impersonated_user_name, 'system:node:')
       OR starts_with(impersonated_user_name, 'system:serviceaccount:kube-system:'))
