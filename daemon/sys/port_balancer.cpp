#include "daemon/sys/port_balancer.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <linux/bpf.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace dixis {
namespace {

/// What the program reads; written whole.
struct Turns {
  std::uint32_t next = 0;  ///< counts connections; the program's
  std::uint32_t live = 0;  ///< how many of `slots` count
  std::array<std::uint32_t, PortBalancer::kSlots> slots{};
};

// `next` is the program's own; what is written here starts it anew, which harms nothing.
constexpr std::int16_t kNextAt = 0;
constexpr std::int16_t kLiveAt = 4;
constexpr std::int16_t kSlotsAt = 8;

int bpf(bpf_cmd command, bpf_attr& attributes) {
  return static_cast<int>(::syscall(SYS_bpf, command, &attributes, sizeof attributes));
}

int make_map(bpf_map_type type, std::uint32_t value_size, std::uint32_t entries) {
  bpf_attr attributes{};
  attributes.map_type = type;
  attributes.key_size = sizeof(std::uint32_t);
  attributes.value_size = value_size;
  attributes.max_entries = entries;
  return bpf(BPF_MAP_CREATE, attributes);
}

int set_element(int map, std::uint32_t key, const void* value) {
  bpf_attr attributes{};
  attributes.map_fd = static_cast<std::uint32_t>(map);
  attributes.key = reinterpret_cast<std::uint64_t>(&key);
  attributes.value = reinterpret_cast<std::uint64_t>(value);
  attributes.flags = BPF_ANY;
  return bpf(BPF_MAP_UPDATE_ELEM, attributes) == 0 ? 0 : errno;
}

bool has_element(int map, std::uint32_t key) {
  std::uint64_t value = 0;
  bpf_attr attributes{};
  attributes.map_fd = static_cast<std::uint32_t>(map);
  attributes.key = reinterpret_cast<std::uint64_t>(&key);
  attributes.value = reinterpret_cast<std::uint64_t>(&value);
  return bpf(BPF_MAP_LOOKUP_ELEM, attributes) == 0;
}

bpf_insn instruction(int code, int to, int from, int offset, std::int32_t value) {
  bpf_insn out{};
  out.code = static_cast<std::uint8_t>(code);
  out.dst_reg = static_cast<std::uint8_t>(to) & 0xFU;
  out.src_reg = static_cast<std::uint8_t>(from) & 0xFU;
  out.off = static_cast<std::int16_t>(offset);
  out.imm = value;
  return out;
}

/// In C:
///   turns = lookup(turns_map, 0); if (!turns || !turns->live) return SK_PASS;
///   at = fetch_and_add(&turns->next, 1) % turns->live; if (at > 1023) return SK_PASS;
///   key = turns->slots[at];
///   select_reuseport(context, sockets_map, &key, 0);
///   return SK_PASS;    // with nothing selected the kernel's hash decides
std::vector<bpf_insn> program(int sockets, int turns) {
  const auto load_map = [](int to, int map) {
    return std::array{instruction(BPF_LD | BPF_DW | BPF_IMM, to, BPF_PSEUDO_MAP_FD, 0, map),
                      instruction(0, 0, 0, 0, 0)};
  };
  const auto turns_map = load_map(BPF_REG_1, turns);
  const auto sockets_map = load_map(BPF_REG_2, sockets);
  constexpr int kMove = BPF_ALU64 | BPF_MOV;
  constexpr int kKeyAt = -4;  // on the stack
  constexpr auto kLastSlot = static_cast<std::int32_t>(PortBalancer::kSlots - 1);
  std::vector<bpf_insn> code{
      instruction(kMove | BPF_X, BPF_REG_6, BPF_REG_1, 0, 0),
      instruction(BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, kKeyAt, 0),
      turns_map[0],
      turns_map[1],
      instruction(kMove | BPF_X, BPF_REG_2, BPF_REG_10, 0, 0),
      instruction(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, kKeyAt),
      instruction(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem),
      instruction(BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 17, 0),
      instruction(BPF_LDX | BPF_MEM | BPF_W, BPF_REG_7, BPF_REG_0, kLiveAt, 0),
      instruction(BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_7, 0, 15, 0),
      instruction(kMove | BPF_K, BPF_REG_1, 0, 0, 1),
      instruction(BPF_STX | BPF_ATOMIC | BPF_W, BPF_REG_0, BPF_REG_1, kNextAt, BPF_ADD | BPF_FETCH),
      instruction(BPF_ALU | BPF_MOD | BPF_X, BPF_REG_1, BPF_REG_7, 0, 0),
      instruction(BPF_JMP | BPF_JGT | BPF_K, BPF_REG_1, 0, 11, kLastSlot),
      instruction(BPF_ALU64 | BPF_LSH | BPF_K, BPF_REG_1, 0, 0, 2),
      instruction(BPF_ALU64 | BPF_ADD | BPF_X, BPF_REG_0, BPF_REG_1, 0, 0),
      instruction(BPF_LDX | BPF_MEM | BPF_W, BPF_REG_1, BPF_REG_0, kSlotsAt, 0),
      instruction(BPF_STX | BPF_MEM | BPF_W, BPF_REG_10, BPF_REG_1, kKeyAt, 0),
      instruction(kMove | BPF_X, BPF_REG_1, BPF_REG_6, 0, 0),
      sockets_map[0],
      sockets_map[1],
      instruction(kMove | BPF_X, BPF_REG_3, BPF_REG_10, 0, 0),
      instruction(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_3, 0, 0, kKeyAt),
      instruction(kMove | BPF_K, BPF_REG_4, 0, 0, 0),
      instruction(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_sk_select_reuseport),
      instruction(kMove | BPF_K, BPF_REG_0, 0, 0, SK_PASS),
      instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
  };
  return code;
}

/// `migrates`: the program also says who gets what waits at a socket that is closed (from 5.14).
int load(const std::vector<bpf_insn>& code, bool migrates) {
  static constexpr char kLicense[] = "GPL";
  bpf_attr attributes{};
  attributes.prog_type = BPF_PROG_TYPE_SK_REUSEPORT;
  attributes.insns = reinterpret_cast<std::uint64_t>(code.data());
  attributes.insn_cnt = static_cast<std::uint32_t>(code.size());
  attributes.license = reinterpret_cast<std::uint64_t>(kLicense);
  attributes.expected_attach_type =
      migrates ? BPF_SK_REUSEPORT_SELECT_OR_MIGRATE : BPF_SK_REUSEPORT_SELECT;
  return bpf(BPF_PROG_LOAD, attributes);
}

}  // namespace

Result<PortBalancer> PortBalancer::attach(int socket) {
  const std::string what = "cannot balance connections in the kernel (BPF)";
  UniqueFd sockets(make_map(BPF_MAP_TYPE_REUSEPORT_SOCKARRAY, sizeof(std::uint64_t), kSlots));
  if (!sockets) return errno_error(what, errno);
  UniqueFd turns(make_map(BPF_MAP_TYPE_ARRAY, sizeof(Turns), 1));
  if (!turns) return errno_error(what, errno);
  const auto code = program(sockets.get(), turns.get());
  UniqueFd loaded(load(code, true));
  if (!loaded) loaded.reset(load(code, false));
  if (!loaded) return errno_error(what, errno);
  const int fd = loaded.get();
  if (::setsockopt(socket, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, &fd, sizeof fd) != 0) {
    return errno_error(what, errno);
  }
  return PortBalancer(std::move(sockets), std::move(turns));
}

Result<void> PortBalancer::set_socket(std::uint32_t slot, int socket) {
  const auto value = static_cast<std::uint64_t>(socket);
  int error = slot < kSlots ? set_element(sockets_.get(), slot, &value) : EINVAL;
  // A socket can be in one map only: in this one already, or for a moment still in a predecessor's.
  if (error == EBUSY && has_element(sockets_.get(), slot)) error = 0;
  if (error != 0) return errno_error("cannot give a socket its turn", error);
  return {};
}

Result<void> PortBalancer::set_live(const std::vector<std::uint32_t>& slots) {
  Turns turns;
  for (const auto slot : slots) {
    if (turns.live < kSlots) turns.slots[turns.live++] = slot;
  }
  const int error = set_element(turns_.get(), 0, &turns);
  if (error != 0) return errno_error("cannot tell which sockets are live", error);
  return {};
}

}  // namespace dixis
