/*
** Strings from bytes, for the functions of ours that make many.
**
** What a message brings is mostly known: the names of its fields, and many of
** its values. Lua comes to such a string through three calls; here it is found
** without one. Lua's own functions still make long strings, and grow the table
** of the short ones.
*/

#ifndef welkin_intern_h
#define welkin_intern_h

#include "lgc.h"
#include "lstate.h"
#include "lstring.h"

#include "hash.h"


/*
** A short string that is not there yet. Apart, so that finding one saves no
** registers on the stack.
*/
__attribute__((noinline))
static TString *welkin_newshort (lua_State *L, const char *s,
                                 size_t l, unsigned h) {
  stringtable *tb = &G(L)->strt;
  TString *ts;
  TString **list;
  if (tb->nuse >= tb->size)
    return luaS_newlstr(L, s, l);  /* it makes room first */
  ts = gco2ts(luaC_newobj(L, LUA_VSHRSTR, sizestrshr(l)));
  ts->hash = h;
  ts->extra = 0;
  ts->shrlen = cast(ls_byte, l);
  memcpy(getshrstr(ts), s, l);
  getshrstr(ts)[l] = '\0';
  list = &tb->hash[lmod(h, tb->size)];
  ts->u.hnext = *list;
  *list = ts;
  tb->nuse++;
  return ts;
}


/* the short string with this hash, if it is there */
static inline TString *welkin_known (global_State *g, const char *s,
                                     size_t l, unsigned h) {
  TString *ts = g->strt.hash[lmod(h, g->strt.size)];
  for (; ts != NULL; ts = ts->u.hnext) {
    if (h == ts->hash && l == cast_uint(ts->shrlen) &&
        welkin_same(s, getshrstr(ts), l)) {
      if (isdead(g, ts))
        changewhite(ts);  /* not collected yet: it lives again */
      return ts;
    }
  }
  return NULL;
}


/* as luaS_newlstr */
static inline TString *welkin_intern (lua_State *L, const char *s, size_t l) {
  if (l_likely(l <= LUAI_MAXSHORTLEN)) {
    unsigned h = luaS_hash(s, l, G(L)->seed);
    TString *ts = welkin_known(G(L), s, l, h);
    return l_likely(ts != NULL) ? ts : welkin_newshort(L, s, l, h);
  }
  return luaS_newlstr(L, s, l);
}

#endif
