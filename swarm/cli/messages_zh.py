"""The Chinese catalogue: what `swarm.cli.messages.tr` says where the locale is Chinese."""

from __future__ import annotations

from typing import Final

MESSAGES: Final = {
    "Interrupted; what was verified stays.": "已中断；已校验的内容会保留。",
    "swarm failed unexpectedly: {reason}.": "swarm 意外失败：{reason}。",
    "Run it again with --debug to see where, and please report it.": (
        "请加 --debug 重新运行以查看出错位置，并请反馈。"
    ),
    "Node {node} listens on {where}.": "节点 {node} 正在监听 {where}。",
    "{path} can be read by others: run chmod 600 on it.": "{path} 可被其他用户读取：请对它执行 chmod 600。",
    "asking what is in it": "正在查询文件列表",
    "waiting for a source": "正在等待来源",
    "fetching": "正在获取",
    "checking": "正在校验",
    "done": "完成",
    "{percent} % of {total}": "{percent}%，共 {total}",
    "{time} left": "剩余 {time}",
    "{count} more": "另有 {count} 个",
    "local": "本地",
    "peer": "邻居",
    "upstream": "上游",
    "{files} files, {size} in {time}": "{files} 个文件，{size}，用时 {time}",
    "were here": "本地已有",
    "from peers": "来自邻居",
    "from upstream": "来自上游",
    "node": "节点",
    "listening": "监听",
    "peers": "邻居",
    "models": "模型",
    "incomplete": "个不完整",
    "store": "存储",
    "of": "／",
    "no daemon runs": "没有守护进程在运行",
    "up {time}": "已运行 {time}",
    "No peers.": "没有邻居。",
    "address": "地址",
    "via": "发现方式",
    "sent": "已发送",
    "received": "已接收",
    "The store is empty.": "存储是空的。",
    "hub": "平台",
    "repository": "仓库",
    "revision": "版本",
    "commit": "提交",
    "size": "大小",
    "held": "已有",
    "all": "全部",
    "file": "文件",
    "source": "来源",
    "together": "合计",
    "{size} freed in the store.": "存储已释放 {size}。",
    "{nodes} nodes on this machine fetch a model of {size} at once, from a hub that sends {rate}…": (
        "本机上的 {nodes} 个节点同时获取一个 {size} 的模型，平台的发送速度为 {rate}……"
    ),
    "time": "用时",
    "verified": "已校验",
    "yes": "是",
    "The model has {size}; the hub sent {sent}: {times:.2f} times the model for {nodes} nodes.": (
        "模型大小 {size}；平台共发送 {sent}：{nodes} 个节点只用了模型大小的 {times:.2f} 倍流量。"
    ),
    "The last node had it after {time}: {ratio:.2f} times the {bound} it takes to send it once.": (
        "最后一个节点用时 {time}，是平台发送一遍所需 {bound} 的 {ratio:.2f} 倍。"
    ),
}
