/*
** Tables that all VMs of the process read.
**
** A shared table is a table to everything that asks for a type, and no table
** to what is fast: its tag is a variant of its own, so that the paths on which
** a VM reads and writes its own tables do not know of it and pay nothing. Reads
** arrive where an object that is no table is looked at for its `__index`, and
** are answered there; writes find nobody who takes them, and raise.
**
** No collector sees it: it is never white, and in no VM's list. It is made
** once, from a table of a state that is closed afterwards, and lies in blocks
** that belong to its version; after that nothing of it is ever written. So it
** may be read by any thread without a lock as long as the version is kept.
**
** The strings in it are strings of no VM. A long one is compared by contents
** and serves everywhere as it is. A short one is compared by address, so what
** a program gets is the string of its own VM with the same contents, which is
** looked up, or made, when it is read. A Lua function is kept as bytecode and
** becomes one closure in each VM that asks for it.
*/

#ifndef welkin_shared_h
#define welkin_shared_h

#include "lobject.h"

/* one entry, in a hash table without chains: a key lies at its place or behind */
typedef struct welkin_Node {
  Value value, key;
  unsigned hash;
  lu_byte value_tag, key_tag;  /* as in a TValue; the key of an unused one: nil */
} welkin_Node;


typedef struct welkin_Shared {
  Table head;  /* an empty one, for what looks for its metatable */
  lua_Unsigned length;  /* what '#' gives */
  unsigned items;  /* positions from 1 on that have a value */
  unsigned nodes;  /* their number, a power of two, or 0 */
  Value *values;  /* of the items */
  lu_byte *tags;  /* and their tags */
  welkin_Node *node;
} welkin_Shared;


/* a Lua function: what a value with the tag LUA_VLCL points to */
typedef struct welkin_Function {
  size_t size;  /* of its bytecode */
  char code[];
} welkin_Function;


/* memory of a version; the table it was made from has the first one */
typedef struct welkin_Block {
  struct welkin_Block *next;
  size_t size, used;
} welkin_Block;


/* all that was made from one table */
typedef struct welkin_Version {
  welkin_Shared *root;
  size_t bytes;  /* of all blocks */
  unsigned tables;
  unsigned seed;  /* of the VMs that can read it */
  welkin_Block *blocks;
} welkin_Version;


/* what no collector touches: not white, and old */
#define welkin_forever		cast_byte(bitmask(BLACKBIT) | G_OLD)

/* bit of 'marked': the metatable stands for a shared table (shared.c) */
#define WELKIN_MIRRORBIT	7

#define welkin_sharedvalue(o) \
	check_exp(ttisshared(o), (welkin_Shared *)gcvalue(o))

#define setraw(o,v,t)	{ TValue *io_ = (o); io_->value_ = (v); settt_(io_, t); }

#define setshared(o,t) \
	{ TValue *io = (o); val_(io).gc = cast(GCObject *, t); \
	  settt_(io, ctb(LUA_VSHARED)); }

/*
** As the functions of Lua's tables, for who looks at tables first: LUA_VNOTABLE
** means that the slow way has to be gone.
*/
LUAI_FUNC lu_byte welkin_luaH_get (lua_State *L, const TValue *t,
                                   const TValue *key, TValue *res);
LUAI_FUNC lu_byte welkin_luaH_getint (lua_State *L, const TValue *t,
                                      lua_Integer key, TValue *res);
LUAI_FUNC lu_byte welkin_luaH_getshortstr (lua_State *L, const TValue *t,
                                           const TString *key, TValue *res);
LUAI_FUNC lu_byte welkin_luaH_getstr (lua_State *L, const TValue *t,
                                      TString *key, TValue *res);

LUAI_FUNC lu_byte welkin_sharedget (lua_State *L, const TValue *t,
                                    const TValue *key, StkId res);
LUAI_FUNC lu_byte welkin_sharedindex (lua_State *L, const TValue *t,
                                      const TValue *key, StkId res);
LUAI_FUNC int welkin_sharednext (lua_State *L, const TValue *t, StkId key);
LUAI_FUNC unsigned welkin_sharedentry (const welkin_Shared *t, unsigned place,
                                       TValue *key, TValue *value);
LUAI_FUNC void welkin_own (lua_State *L, const TValue *o, StkId res);
LUAI_FUNC int welkin_sharedfind (const welkin_Shared *t, const TValue *key,
                                 TValue *value);
LUAI_FUNC unsigned welkin_hashof (const TValue *key);
LUAI_FUNC Table *welkin_mirror (lua_State *L, const TValue *t);
LUAI_FUNC void welkin_mirrored (lua_State *L, const Table *mt, TValue *o);

#endif
