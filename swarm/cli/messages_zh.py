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
    "Passphrase of the root key: ": "根密钥的口令：",
    "The same again: ": "请再输入一遍：",
    "standing": "身份",
    "open": "开放",
    "member": "成员",
    "issuer: lets others in": "签发者：可以接纳其他节点",
    "founder: lets others in, and makes issuers": "创建者：可以接纳其他节点，也可以指定签发者",
    "Keep a copy of {path} in a safe place.": "请在安全的地方保存一份 {path} 的副本。",
    "`swarm site invite` prints a token for other machines.": (
        "`swarm site invite` 会输出供其他机器使用的令牌。"
    ),
    "No daemon runs here: the token works once `swarm daemon` does.": (
        "本机没有守护进程在运行：启动 `swarm daemon` 之后令牌才能使用。"
    ),
    "No daemon runs here: others hear of it once `swarm daemon` does.": (
        "本机没有守护进程在运行：启动 `swarm daemon` 之后其他节点才会得知。"
    ),
    "This node has joined the site {name}.": "本节点已加入站点 {name}。",
    "This node was in {name} already.": "本节点原本就在站点 {name} 中。",
    "Leave the site {name}? To come back takes a new token.": "要离开站点 {name} 吗？再次加入需要新的令牌。",
    "This node has left its site, and links with any node of its LAN now.": (
        "本节点已离开站点，现在会与局域网内的任何节点连接。"
    ),
    "This node was in no site.": "本节点原本就不在任何站点中。",
    "The root key lies in {path} now: keep it.": "根密钥现在位于 {path}：请保留它。",
    "site": "站点",
    "rights": "权限",
    "holds": "有效",
    "until {date}, renewed from {half} on": "至 {date}，从 {half} 起续期",
    "token": "令牌",
    "{used} of {uses} used, until {date}": "已用 {used} 次，共 {uses} 次，至 {date}",
    "name": "名称",
    "until": "有效期至",
    "revoked": "已吊销",
    "members": "成员",
    "private": "私有模型",
    "shared with members that share theirs": "与同样共享私有模型的成员共享",
    "not shared": "不共享",
    "shares private models": "共享私有模型",
    "shares no private models": "不共享私有模型",
    "The certificate of this node has expired: join again, or set the clock here.": (
        "本节点的证书已过期：请重新加入，或校准本机时钟。"
    ),
    "The certificate of this node lies in the future: the clock here is wrong.": (
        "本节点的证书尚未生效：本机时钟不准。"
    ),
    "This node was revoked: nobody in the site links with it.": "本节点已被吊销：站点中没有节点会与它连接。",
    "The clock of this machine is wrong: {count} members say it is {days:+.1f} days from here.": (
        "本机时钟不准：{count} 个成员的时间与本机相差 {days:+.1f} 天。"
    ),
    "Set it (`timedatectl set-ntp true`).": "请校准时钟（`timedatectl set-ntp true`）。",
    "refused: {node}, {cause}": "已拒绝：{node}，{cause}",
    "its clock is {days:+.1f} days from ours": "它的时钟与本机相差 {days:+.1f} 天",
    "it shows what is not its own": "它出示的不是自己的证书",
    "its certificate has expired": "它的证书已过期",
    "its certificate lies in the future": "它的证书尚未生效",
    "it was revoked": "它已被吊销",
    "the certificate of this node has expired": "本节点的证书已过期",
    "the certificate of this node lies in the future": "本节点的证书尚未生效",
    "this node was revoked": "本节点已被吊销",
}
