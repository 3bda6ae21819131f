/*
** Makes a shared table of a table (shared.h says what that is).
**
** The state whose table it is does nothing else: it has run the program that
** made the table, and is closed afterwards. What is made so far hangs on the
** version from the first byte on, so an error in the middle loses nothing. What
** has been met already, and what is still to be made, are tables of that state:
** no depth of nesting is too deep.
*/

#define LUA_CORE

#include "lprefix.h"

#include <stdlib.h>
#include <string.h>

#include "lua.h"
#include "lauxlib.h"

#include "lapi.h"
#include "ldebug.h"
#include "ldo.h"
#include "lgc.h"
#include "lobject.h"
#include "lstate.h"
#include "lstring.h"
#include "ltable.h"

#include "intern.h"
#include "shared.h"


/* a function of the making state, and the one that stands for it elsewhere */
typedef struct welkin_Instead {
  lua_CFunction from, to;
} welkin_Instead;


typedef struct Maker {
  welkin_Version *version;
  const welkin_Instead *instead;
  int instead_count;
  lua_Integer waiting;  /* tables met */
} Maker;


/* the stack of 'make': what was met -> its address; the tables met, in order */
enum { MAKER = 1, ROOT, MET, WAITING, TABLE };

#define BLOCK	(64 * 1024)


/* no collector's: plain memory, which any thread may free */
static void *take (lua_State *L, welkin_Version *version, size_t size) {
  welkin_Block *block = version->blocks;
  size = (size + 15) & ~cast_sizet(15);
  if (block == NULL || block->size - block->used < size) {
    size_t room = size > BLOCK / 4 ? size : BLOCK - sizeof(welkin_Block);
    block = malloc(sizeof(welkin_Block) + room);
    if (block == NULL)
      luaD_throw(L, LUA_ERRMEM);
    block->size = room;
    block->used = 0;
    if (version->blocks != NULL && room == size) {
      block->next = version->blocks->next;  /* full: what has room stays first */
      version->blocks->next = block;
    }
    else {
      block->next = version->blocks;
      version->blocks = block;
    }
    version->bytes += sizeof(welkin_Block) + room;
  }
  block->used += size;
  return cast_charp(block + 1) + block->used - size;
}


/* the value on top -> 'shared' in the table of what was met */
static void meet (lua_State *L, void *shared) {
  lua_pushvalue(L, -1);
  lua_pushlightuserdata(L, shared);
  lua_rawset(L, MET);
}


static void *met (lua_State *L) {
  void *shared;
  lua_pushvalue(L, -1);
  lua_rawget(L, MET);
  shared = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return shared;
}


static TString *share_string (lua_State *L, Maker *m, TString *from) {
  TString *ts = met(L);
  size_t l = tsslen(from);
  if (ts != NULL)
    return ts;
  if (strisshr(from)) {
    ts = take(L, m->version, sizestrshr(l));
    memcpy(rawgetshrstr(ts), rawgetshrstr(from), l + 1);
    ts->hash = from->hash;
    ts->extra = 0;
  }
  else {
    ts = take(L, m->version, sizeof(TString) + l + 1);
    ts->contents = cast_charp(ts + 1);
    memcpy(ts->contents, getlngstr(from), l);
    ts->contents[l] = '\0';
    ts->u.lnglen = l;
    ts->hash = luaS_hashlongstr(from);
    ts->extra = 1;  /* it has its hash: no reader computes it */
  }
  ts->next = NULL;
  ts->tt = from->tt;
  ts->marked = welkin_forever;
  ts->shrlen = strisshr(from) ? from->shrlen : LSTRREG;
  meet(L, ts);
  return ts;
}


static int count_code (lua_State *L, const void *p, size_t size, void *ud) {
  UNUSED(L); UNUSED(p);
  *(size_t *)ud += size;
  return 0;
}


static int write_code (lua_State *L, const void *p, size_t size, void *ud) {
  char **to = (char **)ud;
  UNUSED(L);
  if (size > 0)
    memcpy(*to, p, size);
  *to += size;
  return 0;
}


/* of the function on top */
static welkin_Function *share_function (lua_State *L, Maker *m) {
  welkin_Function *f = met(L);
  size_t size = 0;
  char *to;
  if (f != NULL)
    return f;
  lua_dump(L, count_code, &size, 0);
  f = take(L, m->version, sizeof(welkin_Function) + size);
  f->size = size;
  to = f->code;
  lua_dump(L, write_code, &to, 0);
  meet(L, f);
  return f;
}


/* how Lua's own empty tables look; nobody writes into it */
static const Node no_node = {{{NULL}, LUA_VEMPTY, LUA_TDEADKEY, 0, {NULL}}};

#define BITNOHASH	(1 << 6)  /* of a table's flags: its node is that one */


/* the table on top: it is filled when its turn comes */
static welkin_Shared *share_table (lua_State *L, Maker *m) {
  welkin_Shared *t = met(L);
  if (t != NULL)
    return t;
  if (lua_getmetatable(L, -1))
    luaL_error(L, "Can't share metatable");
  t = take(L, m->version, sizeof(welkin_Shared));
  memset(t, 0, sizeof(welkin_Shared));
  t->head.tt = LUA_VSHARED;
  t->head.marked = welkin_forever;
  t->head.flags = cast_byte(maskflags | BITNOHASH);
  t->head.node = cast(Node *, &no_node);
  meet(L, t);
  lua_pushvalue(L, -1);
  lua_rawseti(L, WAITING, ++m->waiting);
  m->version->tables++;
  return t;
}


static lua_CFunction instead_of (const Maker *m, lua_CFunction f) {
  int i;
  for (i = 0; i < m->instead_count; i++) {
    if (m->instead[i].from == f)
      return m->instead[i].to;
  }
  return f;
}


/* what the value on top becomes */
static void share_value (lua_State *L, Maker *m, Value *value, lu_byte *tag) {
  const TValue *o = s2v(L->top.p - 1);
  *tag = rawtt(o);
  *value = valraw(o);
  switch (ttypetag(o)) {
    case LUA_VFALSE: case LUA_VTRUE: case LUA_VNUMINT: case LUA_VNUMFLT:
    case LUA_VLIGHTUSERDATA:
      break;
    case LUA_VSHRSTR: case LUA_VLNGSTR:
      value->gc = cast(GCObject *, share_string(L, m, tsvalue(o)));
      break;
    case LUA_VTABLE:
      value->gc = cast(GCObject *, share_table(L, m));
      *tag = ctb(LUA_VSHARED);
      break;
    case LUA_VLCF:
      value->f = instead_of(m, fvalue(o));
      break;
    case LUA_VLCL:
      if (clLvalue(o)->nupvalues > 0)
        luaL_error(L, "Invalid function with upvalue");
      value->p = share_function(L, m);
      *tag = LUA_VLCL;
      break;
    case LUA_VCCL:
      luaL_error(L, "Invalid function with upvalue");
      break;
    default:
      luaL_error(L, "Invalid type [%s]", luaL_typename(L, -1));
  }
}


static void put_node (welkin_Shared *t, const welkin_Node *entry) {
  unsigned i = entry->hash & (t->nodes - 1);
  while (t->node[i].key_tag != LUA_VNIL)
    i = (i + 1) & (t->nodes - 1);
  t->node[i] = *entry;
}


static int is_item (lua_State *L, const welkin_Shared *t) {
  const TValue *key = s2v(L->top.p - 2);
  return ttisinteger(key) && l_castS2U(ivalue(key)) - 1u < t->items;
}


/* room for the table on top: its items, and nodes of which a quarter is free */
static void make_room (lua_State *L, Maker *m, welkin_Shared *t) {
  Table *from = hvalue(s2v(L->top.p - 1));
  size_t others = 0;
  TValue o;
  t->length = luaH_getn(L, from);
  while (t->items < INT_MAX && !tagisempty(luaH_getint(from,
                                    cast(lua_Integer, t->items) + 1, &o)))
    t->items++;
  lua_pushnil(L);
  while (lua_next(L, TABLE)) {
    others += !is_item(L, t);
    lua_pop(L, 1);
  }
  if (t->items > 0) {
    t->values = take(L, m->version, t->items * sizeof(Value));
    t->tags = take(L, m->version, t->items);
  }
  if (others > 0) {
    size_t nodes = 1;
    while (nodes - nodes / 4 < others + 1)
      nodes *= 2;
    if (nodes > INT_MAX)
      luaL_error(L, "table too large");
    t->node = take(L, m->version, nodes * sizeof(welkin_Node));
    memset(t->node, 0, nodes * sizeof(welkin_Node));
    t->nodes = cast_uint(nodes);
  }
}


/* makes the table at TABLE */
static void fill (lua_State *L, Maker *m) {
  welkin_Shared *t = met(L);
  make_room(L, m, t);
  lua_pushnil(L);
  while (lua_next(L, TABLE)) {
    welkin_Node entry;
    TValue key;
    if (is_item(L, t)) {
      size_t i = cast_sizet(ivalue(s2v(L->top.p - 2)) - 1);
      share_value(L, m, &t->values[i], &t->tags[i]);
      lua_pop(L, 1);
      continue;
    }
    if (ttistable(s2v(L->top.p - 2)))
      luaL_error(L, "Not a table, it's a %s.", luaL_typename(L, -1));
    share_value(L, m, &entry.value, &entry.value_tag);
    lua_pop(L, 1);
    share_value(L, m, &entry.key, &entry.key_tag);
    setraw(&key, entry.key, entry.key_tag);
    entry.hash = welkin_hashof(&key);
    put_node(t, &entry);
  }
}


/* make(maker, table) */
static int make (lua_State *L) {
  Maker *m = (Maker *)lua_touserdata(L, MAKER);
  lua_Integer i;
  if (!lua_istable(L, ROOT))
    return luaL_error(L, "Not a table, it's a %s.", luaL_typename(L, ROOT));
  lua_newtable(L);
  lua_newtable(L);
  lua_pushvalue(L, ROOT);
  m->version->root = share_table(L, m);
  lua_settop(L, WAITING);
  for (i = 1; i <= m->waiting; i++) {
    lua_rawgeti(L, WAITING, i);
    fill(L, m);
    lua_settop(L, WAITING);
  }
  return 0;
}


LUA_API void welkin_unshare (welkin_Version *version) {
  welkin_Block *block = version->blocks;
  while (block != NULL) {
    welkin_Block *next = block->next;
    free(block);
    block = next;
  }
  free(version);
}


/*
** Shares the value on top, and pops it. NULL: it cannot be shared, and the text
** on top says why.
*/
LUA_API welkin_Version *welkin_share (lua_State *L,
                                      const welkin_Instead *instead,
                                      int instead_count) {
  Maker m = { calloc(1, sizeof(welkin_Version)), instead, instead_count, 0 };
  if (m.version == NULL) {
    lua_settop(L, -2);
    lua_pushliteral(L, "not enough memory");
    return NULL;
  }
  m.version->seed = G(L)->seed;
  lua_pushcfunction(L, make);
  lua_insert(L, -2);
  lua_pushlightuserdata(L, &m);
  lua_insert(L, -2);
  if (lua_pcall(L, 2, 0, 0) != LUA_OK) {
    welkin_unshare(m.version);
    return NULL;
  }
  return m.version;
}


/* bytes that a version takes */
LUA_API size_t welkin_sharedsize (const welkin_Version *version) {
  return version->bytes;
}
