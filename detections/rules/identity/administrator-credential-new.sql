/*---
id: administrator-credential-new
title: An administrator's credential or address is new
techniques: [N09]
status: stable
severity: medium
confidence: medium
attack: [T1078.001]
threat_matrix: [MS-TA9003]
layer: cluster
control: detection
practice: rbac
needs: {level: Metadata, history: 7d}
window: 1d
entity: [user_name, source_ip]
why: >-
  A certificate of system:masters passes every check and cannot be taken back. There should be one of it, in a safe, used from
  one place; a second one was made by somebody who holds the key of the authority.
blind_spots: >-
  A thief who uses the known certificate from its known place. Certificates count where the version writes their fingerprint.
false_positives: >-
  Renewal of certificates with an upgrade, and another administrator's machine.
triage:
  - Were certificates renewed on that day?
  - Who sits at that address?
  - If nobody can say, the authority of the cluster must be replaced.
---*/
SELECT e.cluster, e.event_id, f.request_received_at, e.user_name, e.source_ip,
       e.user_name || ' came for the first time ' || CASE f.fact_kind WHEN 'credential_id' THEN 'with ' ELSE 'from ' END || f.fact
           || CASE f.fact_kind WHEN 'credential_id' THEN ', from ' || coalesce(e.source_ip, 'an unknown address') ELSE '' END AS detail
FROM first_uses AS f
JOIN events AS e ON e.cluster = f.cluster AND e.event_id = f.event_id
WHERE f.fact_kind IN ('credential_id', 'source_ip') AND f.impersonated_user_name IS NULL AND f.cluster_known_for >= INTERVAL 7 DAY
  AND list_has_any(e.user_groups, ['system:masters', 'kubeadm:cluster-admins']) AND NOT is_control_plane(e.user_name, e.user_groups, e.source_ip)
  -- On the control plane's own node every administrator comes from there.
  AND NOT (f.fact_kind = 'source_ip' AND f.fact IN ('127.0.0.1', '::1'))
