_base_ = './dmcp_resnet50_supernet_8xb32.py'

# As in the authors' release: logits of a sigmoid, and 40 epochs, 1.5 times the
# arithmetic of the retraining. Their rates (weights 0.5 -> 0.08, alphas
# 0.5 -> 0.1) belong to 1,024 images an iteration; here it is 8 x 32 = 256: a
# quarter of the rate in four times as many iterations. Candidates are drawn from
# the chains, which start at the target.
model = dict(mutator=dict(init='target', parametrisation='sigmoid'), on_budget=False)
optim_wrapper = dict(mutator=dict(optimizer=dict(lr=0.125)))
train_cfg = dict(max_epochs=40)
custom_hooks = [dict(type='mmdmcp.DMCPSearchHook', name='RESNET50', draws='direct')]
