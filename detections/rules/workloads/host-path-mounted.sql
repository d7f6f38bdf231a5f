/*---
id: host-path-mounted
title: A workload mounts a sensitive directory of its node
techniques: [D02]
status: stable
severity: high
confidence: high
attack: [T1611]
threat_matrix: [MS-TA9013]
layer: container
control: prevention
practice: pod-security
needs: {level: Request, verbs: [create, update, patch], resources: [pods, deployments, daemonsets, statefulsets, jobs, cronjobs, replicasets]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  With the node's files a container reads the kubelet's credentials and other pods' tokens, drives the container
  runtime by its socket, or writes itself into the node's start-up.
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
            WHEN read_only AND NOT regexp_matches(path, '\.sock$')
                OR NOT (path IN ('/', '/etc', '/root', '/home', '/proc', '/sys', '/var', '/var/lib', '/var/run', '/run', '/boot', '/usr', '/opt', '/lib', '/bin', '/sbin')
                      OR contains(path, '..') OR regexp_matches(path, '(docker|containerd|crio|cri-dockerd|podman)[^/]*\.sock|^/var/lib/(kubelet|etcd|docker|containerd|kube)|^/etc/(kubernetes|cni|ssh|shadow|sudoers|cron|systemd)|^/root/|^/home/|^/proc/|^/run/(containerd|crio|docker)'))
                THEN 'medium' END AS severity,
       who || ' wrote ' || workload || ' with ' || path || ' of its node as volume ' || coalesce(volume_name, '') || CASE WHEN read_only THEN ' (read-only)' ELSE '' END || outcome_words AS detail
FROM host_paths
WHERE path IN ('/', '/home', '/usr', '/opt', '/lib', '/bin', '/sbin', '/tmp') OR contains(path, '..')
   OR regexp_matches(path, '^/(etc|root|proc|sys|boot|dev|run|var|home)(/|$)') AND NOT regexp_matches(path, '^/var/lib/[a-z0-9.-]+/(data|cache)(/|$)|^/dev/(shm|hugepages|dri|fuse|net)')
