/*---
id: system-pod-session-opened
title: Somebody opened a session into a system pod
techniques: [C02]
status: stable
severity: high
confidence: medium
attack: [T1609]
threat_matrix: [MS-TA9006]
layer: container
control: detection
practice: runtime
needs: {verbs: [get, create]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  system_namespaces:
    default: [kube-system, kube-public, kube-node-lease]
    why: Namespaces that belong to the cluster itself.
why: >-
  A shell in kube-system is a shell beside the keys of the cluster: its pods carry strong service accounts and
  often the node's files.
blind_spots: >-
  Sessions that go to the kubelet directly. System pods in namespaces not listed.
false_positives: >-
  Administrators debugging the cluster itself.
triage:
  - Who is it, and is there a ticket for it?
  - What did the pod's service account do afterwards (timeline by pod)?
  - "What ran in the session: the runtime's own log knows, the audit log does not."
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT coalesce(succeeded(response_code), response_code IS NULL) THEN 'low' WHEN subresource = 'portforward' THEN 'medium' END AS severity,
       actor(user_name, impersonated_user_name) || ' opened ' || subresource || ' on ' || namespace || '/' || coalesce(name, '') || CASE WHEN len(command) > 0 THEN ': ' || array_to_string(command, ' ')[:120] ELSE '' END || CASE WHEN response_code IS NULL OR succeeded(response_code) THEN '' WHEN denied_by(response_code, decision, response_message) IS NOT NULL THEN ', refused by ' || denied_by(response_code, decision, response_message) ELSE ', answered with ' || response_code END AS detail
FROM exec_commands
WHERE list_contains($system_namespaces, namespace)
