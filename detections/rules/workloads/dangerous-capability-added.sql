/*---
id: dangerous-capability-added
title: A container was given a dangerous Linux capability
techniques: [D06]
status: stable
severity: high
confidence: high
attack: [T1611]
threat_matrix: [MS-TA9018]
layer: container
control: prevention
practice: pod-security
needs: {level: Request, verbs: [create, update, patch], resources: [pods, deployments, daemonsets, statefulsets, jobs, cronjobs, replicasets]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  SYS_ADMIN, SYS_PTRACE, SYS_MODULE and their like break out of a container nearly as surely as privileged does,
  and are looked at less.
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
       CASE WHEN NOT applied OR NOT authored THEN 'low'
            WHEN value IN ('DAC_OVERRIDE', 'NET_ADMIN', 'SYS_TIME', 'SYS_CHROOT', 'LINUX_IMMUTABLE', 'IPC_OWNER') THEN 'medium' END AS severity,
       who || ' wrote ' || workload || ' with the capability ' || value || ' for the ' || container || outcome_words AS detail
FROM pod_risks
-- The rest is what Pod Security's baseline lets a container add, or what stays within it.
WHERE risk = 'capability' AND value IN (
    'ALL', 'SYS_ADMIN', 'SYS_PTRACE', 'SYS_MODULE', 'SYS_RAWIO', 'SYS_BOOT', 'BPF', 'PERFMON', 'DAC_READ_SEARCH', 'MAC_ADMIN', 'MAC_OVERRIDE', 'SYSLOG',
    'CHECKPOINT_RESTORE', 'DAC_OVERRIDE', 'NET_ADMIN', 'SYS_TIME', 'SYS_CHROOT', 'LINUX_IMMUTABLE', 'IPC_OWNER')
