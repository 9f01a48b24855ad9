// SPDX-License-Identifier: GPL-3.0-or-later
// delayline NS_A IF_A NS_B IF_B delay_ms [rate_MBps] : L3 delay line between two netns via TUN, GSO passes through (vnet_hdr)
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <errno.h>
static long long now(){struct timespec t;clock_gettime(CLOCK_MONOTONIC,&t);return t.tv_sec*1000000000LL+t.tv_nsec;}
static int mk(const char*ns,const char*ifn){char p[128];int self=open("/proc/self/ns/net",O_RDONLY);snprintf(p,128,"/run/netns/%s",ns);int f=open(p,O_RDONLY);
 if(setns(f,CLONE_NEWNET)){perror("setns");exit(1);} int t=open("/dev/net/tun",O_RDWR);struct ifreq r;memset(&r,0,sizeof r);r.ifr_flags=IFF_TUN|IFF_NO_PI|IFF_VNET_HDR;strcpy(r.ifr_name,ifn);
 if(ioctl(t,TUNSETIFF,&r)){perror("TUNSETIFF");exit(1);} if(ioctl(t,TUNSETOFFLOAD,TUN_F_CSUM|TUN_F_TSO4|TUN_F_TSO6)){perror("offload");} setns(self,CLONE_NEWNET);return t;}
#define N 65536
struct pkt{long long due;int len;unsigned char*b;};
struct dir{int in,out;long long d;double rate;struct pkt q[N];volatile unsigned h,t;pthread_mutex_t m;pthread_cond_t c;long bytes,drops;};
static void*rd(void*a){struct dir*x=a;static __thread unsigned char buf[70000];long long free_at=0;for(;;){int n=read(x->in,buf,sizeof buf);if(n<0){if(errno==EINTR)continue;perror("read");exit(1);}
 long long nw=now(),base=nw; if(x->rate>0){ if(free_at<nw)free_at=nw; if(free_at-nw>50000000LL){x->drops++;continue;} free_at+=(long long)(n/x->rate*1e9); base=free_at;}
 if(x->h-x->t>=N){x->drops++;continue;} unsigned char*b=malloc(n);memcpy(b,buf,n);struct pkt*p=&x->q[x->h%N];p->due=base+x->d;p->len=n;p->b=b;
 pthread_mutex_lock(&x->m);x->h++;pthread_cond_signal(&x->c);pthread_mutex_unlock(&x->m);}}
static void*wr(void*a){struct dir*x=a;for(;;){pthread_mutex_lock(&x->m);while(x->h==x->t)pthread_cond_wait(&x->c,&x->m);pthread_mutex_unlock(&x->m);
 struct pkt*p=&x->q[x->t%N];long long w=p->due-now();if(w>0){struct timespec t={p->due/1000000000LL,p->due%1000000000LL};clock_nanosleep(CLOCK_MONOTONIC,TIMER_ABSTIME,&t,0);}
 if(write(x->out,p->b,p->len)<0&&errno!=EINVAL&&errno!=EIO)perror("write");free(p->b);x->bytes+=p->len;__sync_fetch_and_add(&x->t,1);}}
int main(int c,char**v){int a=mk(v[1],v[2]),b=mk(v[3],v[4]);static struct dir D[2];pthread_t t;for(int i=0;i<2;i++){D[i].in=i?b:a;D[i].out=i?a:b;D[i].d=(long long)(atof(v[5])*1e6);D[i].rate=c>6?atof(v[6])*1e6:0;pthread_mutex_init(&D[i].m,0);pthread_cond_init(&D[i].c,0);pthread_create(&t,0,rd,&D[i]);pthread_create(&t,0,wr,&D[i]);}
 printf("up\n");fflush(stdout);for(;;)pause();}
