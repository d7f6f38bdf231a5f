/*---
id: privileged-container
title: A privileged container was asked for
techniques: [D01, D11]
status: stable
severity: high
confidence: high
attack: [T1610, T1611]
threat_matrix: [MS-TA9018]
layer: container
control: prevention
practice: pod-security
needs: {level: Request, verbs: [create, update, patch], resources: [pods, deployments, daemonsets, statefulsets, jobs, cronjobs, replicasets]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  A privileged container is root on its node: it reaches every device, every other container and the kubelet's
  credentials.
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
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied OR NOT authored THEN 'low' END AS severity,
       who || ' wrote ' || workload || ' with ' || CASE risk WHEN 'host_process' THEN 'the host process ' ELSE 'the privileged ' END || container || outcome_words AS detail
FROM pod_risks
WHERE risk IN ('privileged', 'host_process')
