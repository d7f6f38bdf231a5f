/*---
id: privileged-certificate-requested
title: A certificate of a privileged identity was asked for
techniques: [B14, B17]
status: stable
severity: medium
confidence: high
attack: [T1649]
threat_matrix: [MS-TA9016]
layer: cluster
control: detection
practice: rbac
needs: {level: Request, verbs: [create], resources: [certificatesigningrequests]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  A signed client certificate is an identity for a year that nobody can take back. One of system:masters, of a
  controller or of a node is the cluster itself.
blind_spots: >-
  Subjects of 128 characters and more; names in other encodings than UTF-8 and ASCII.
false_positives: >-
  Kubelets that join or renew (their signer is another), and certificate managers.
triage:
  - Was it approved (see certificate-approved-by-hand)?
  - Delete the request; where it was issued, rotate the CA or block the identity by RBAC.
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied THEN CASE WHEN list_contains(organizations, 'system:masters') THEN 'high' ELSE 'low' END
            WHEN list_has_any(organizations, ['system:masters', 'kubeadm:cluster-admins']) OR len(list_filter(common_names, lambda name: starts_with(name, 'system:'))) > 0
                 OR (list_contains(organizations, 'system:nodes') AND NOT is_node(user_name, user_groups)) THEN 'critical' END AS severity,
       actor(user_name, impersonated_user_name) || CASE WHEN applied THEN ' asked' ELSE ' tried to ask' END || ' for a certificate of ' || coalesce(nullif(array_to_string(common_names, ', '), ''), 'an unknown subject')
           || CASE WHEN len(organizations) > 0 THEN ' in ' || array_to_string(organizations, ', ') ELSE '' END || coalesce(' from ' || signer, '') AS detail
FROM certificate_requests
WHERE verb = 'create'
  AND (signer = 'kubernetes.io/kube-apiserver-client' OR (signer IN ('kubernetes.io/kube-apiserver-client-kubelet', 'kubernetes.io/legacy-unknown')
       -- Kubelets ask for themselves, and before they have a name, as a bootstrap token.
       AND NOT (is_node(user_name, user_groups) AND list_contains(common_names, user_name))
       AND NOT coalesce(list_contains(user_groups, 'system:bootstrappers'), false)))
