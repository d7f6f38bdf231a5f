/*---
id: host-namespace-shared
title: A workload shares namespaces with its node
techniques: [D03, D04, D05]
status: stable
severity: high
confidence: high
attack: [T1611, T1557]
threat_matrix: [MS-TA9018]
layer: container
control: prevention
practice: pod-security
needs: {level: Request, verbs: [create, update, patch], resources: [pods, deployments, daemonsets, statefulsets, jobs, cronjobs, replicasets]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  hostPID sees and signals every process of the node, hostIPC reads their shared memory, hostNetwork listens to
  the node's traffic and reaches what trusts the node's address.
blind_spots: >-
  Pods that never pass the kube-apiserver's audit log (static pods), and what an admission webhook adds where
  the level hides the stored object.
false_positives: >-
  Network, storage and monitoring agents, and tools that debug nodes. Find the person who installed them and the
  change that asked for it.
triage:
  - Who wrote it, and was it agreed on?
  - What else did this identity write, and did a pod of it run (timeline of the namespace)?
  - Delete the workload; treat its node as taken until shown otherwise.
---*/
WITH shared AS (
    SELECT *, reaches_out OR bool_or(risk = 'privileged' OR risk = 'capability' AND value IN ('ALL', 'SYS_ADMIN', 'SYS_PTRACE')) OVER (PARTITION BY cluster, event_id) AS powerful
    FROM pod_risks
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied OR NOT authored THEN 'low'
            WHEN risk = 'host_pid' AND powerful THEN 'high'
            -- Agents of networks and monitoring share with every node by design, and alone cannot touch what they see.
            WHEN resource = 'daemonsets' THEN 'low'
            ELSE 'medium' END AS severity,
       who || ' wrote ' || workload || ' with ' || CASE risk WHEN 'host_pid' THEN 'hostPID' WHEN 'host_ipc' THEN 'hostIPC' ELSE 'hostNetwork' END || outcome_words AS detail
FROM shared
WHERE risk IN ('host_pid', 'host_ipc', 'host_network')
